// What administrators may do, by name, and the roles that come with Latchkey: each inherits from the one before it (requirements 12). Roles of
// an operator's own are data: see roles.ts.

export const PERMISSIONS = [
  ...(['accounts:read', 'clients:read', 'organizations:read', 'audit:read'] as const),
  ...(['sessions:read', 'sessions:revoke', 'accounts:reset'] as const),
  ...(['accounts:create', 'accounts:update', 'invitations:write', 'clients:write', 'upstreams:read'] as const),
  ...(['accounts:delete', 'clients:delete', 'organizations:write', 'roles:read', 'settings:read'] as const),
  ...(['upstreams:write', 'roles:write', 'admins:write', 'settings:write', 'audit:export'] as const),
] as const;

export type Permission = (typeof PERMISSIONS)[number];

export function isPermission(name: string): name is Permission {
  return (PERMISSIONS as readonly string[]).includes(name);
}

export interface RoleDefinition {
  readonly id: string;
  readonly name: string;
  /** 0 for roles that administer nothing, 5 for the highest. */
  readonly rank: number;
  readonly inherits: readonly string[];
  /** Of Latchkey, or of the API that `audience` names. */
  readonly permissions: readonly string[];
  /** An API of the operator's own: clients of it see the role, and its permissions count there and not here. */
  readonly audience: string | null;
  /** Where it comes from: only those of the database can be changed. */
  readonly source: 'built-in' | 'yaml' | 'database';
}

function builtIn(
  id: string,
  name: string,
  rank: number,
  inherits: readonly string[],
  permissions: readonly Permission[],
): RoleDefinition {
  return { id, name, rank, inherits, permissions, audience: null, source: 'built-in' };
}

export const OWNER_ROLE = 'super-admin';

export const BUILT_IN_ROLES: readonly RoleDefinition[] = [
  builtIn('viewer', 'Viewer', 1, [], ['accounts:read', 'clients:read', 'organizations:read', 'audit:read']),
  builtIn('support', 'Support', 2, ['viewer'], ['sessions:read', 'sessions:revoke', 'accounts:reset']),
  builtIn(
    'operator',
    'Operator',
    3,
    ['support'],
    [...(['accounts:create', 'accounts:update', 'invitations:write', 'clients:write', 'upstreams:read'] as const)],
  ),
  builtIn(
    'admin',
    'Administrator',
    4,
    ['operator'],
    [...(['accounts:delete', 'clients:delete', 'organizations:write', 'roles:read', 'settings:read'] as const)],
  ),
  builtIn(
    OWNER_ROLE,
    'Super administrator',
    5,
    ['admin'],
    [...(['upstreams:write', 'roles:write', 'admins:write', 'settings:write', 'audit:export'] as const)],
  ),
];

/** A role and everything it inherits from, each once, also where roles inherit from one another in a circle. */
export function withInherited(
  ids: readonly string[],
  all: ReadonlyMap<string, RoleDefinition>,
): readonly RoleDefinition[] {
  const found = new Map<string, RoleDefinition>();
  const open = [...ids];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    const role = all.get(id);
    if (!role || found.has(id)) continue;
    found.set(id, role);
    open.push(...role.inherits);
  }
  return [...found.values()];
}

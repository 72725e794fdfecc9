// The list of MikroORM entities, handed down to storage, which knows none of the rooms.
import { Invitation } from './access/invitation.entity.ts';
import { RoleAssignment } from './access/role-assignment.entity.ts';
import { Account } from './account/account.entity.ts';
import { LinkedIdentity } from './account/linked-identity.entity.ts';
import { AuditEvent } from './audit/audit-event.entity.ts';
import { Client, ClientSecret } from './client/client.entity.ts';
import { Password } from './credential/password.entity.ts';
import { SealedSecret, SigningKey } from './oidc/key.entity.ts';

export const entities = [
  Account,
  AuditEvent,
  Client,
  ClientSecret,
  Invitation,
  LinkedIdentity,
  Password,
  RoleAssignment,
  SealedSecret,
  SigningKey,
];

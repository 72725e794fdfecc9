// How strongly an account has to sign in whatever an app asks for: by deployment, by role, by organization and by the policy of the app (requirements F5). The
// engine's checks, the pages of a sign-in and the portal ask the same object, so that no way leads around it.
import type { Organizations } from '../access/organizations.ts';
import type { Roles } from '../access/roles.ts';
import type { Clients } from '../client/clients.ts';
import { type Acr, satisfies } from '../credential/assurance.ts';

export interface SignInPolicySettings {
  /** Everybody needs a second factor. */
  readonly secondFactorRequired: boolean;
  /** Whoever has one of these roles, or one that inherits from it, needs a second factor. */
  readonly secondFactorRoles: readonly string[];
}

export class SignInPolicy {
  readonly #settings: SignInPolicySettings;
  readonly #roles: Roles;
  readonly #organizations: Organizations;
  readonly #clients: Clients;

  constructor(parts: {
    readonly settings: SignInPolicySettings;
    readonly roles: Roles;
    readonly organizations: Organizations;
    readonly clients: Clients;
  }) {
    this.#settings = parts.settings;
    this.#roles = parts.roles;
    this.#organizations = parts.organizations;
    this.#clients = parts.clients;
  }

  /** Whether this account may not be without a second factor: then the last one cannot be removed either. */
  async needsSecondFactor(accountId: string): Promise<boolean> {
    const { secondFactorRequired, secondFactorRoles } = this.#settings;
    if (secondFactorRequired) return true;
    if (secondFactorRoles.length > 0 && (await this.#roles.holdsAnyOf(accountId, secondFactorRoles))) return true;
    return this.#organizations.requiresSecondFactor(accountId);
  }

  /** The least that a sign-in of this account to this app has to be. */
  async requiredAcr(accountId: string, clientId: string): Promise<Acr> {
    const byAccount = (await this.needsSecondFactor(accountId)) ? 'urn:latchkey:aal2' : 'urn:latchkey:aal1';
    const byClient = (await this.#clients.find(clientId))?.metadata.latchkey_required_acr ?? 'urn:latchkey:aal1';
    return satisfies(byAccount, byClient) ? byAccount : byClient;
  }
}

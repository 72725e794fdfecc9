// An invitation to create an account with one address. Its link is stored as a hash only.
import { defineEntity, p } from '@mikro-orm/core';

const InvitationSchema = defineEntity({
  name: 'Invitation',
  properties: {
    id: p.uuid().primary(),
    email: p.string(),
    /** What the account gets. */
    roles: p.json<readonly string[]>(),
    organizationId: p.string().nullable(),
    /** Inside of the organization; null stands for a member. */
    organizationRole: p.string().nullable(),
    locale: p.string(),
    tokenHash: p.string().unique(),
    /** The account that invited; null for the command line, and when that account is gone. */
    inviterId: p.uuid().nullable(),
    byAccount: p.boolean(),
    createdAt: p.datetime(),
    sentAt: p.datetime(),
    expiresAt: p.datetime(),
    usedAt: p.datetime().nullable(),
    accountId: p.uuid().nullable(),
    revokedAt: p.datetime().nullable(),
  },
});

export class Invitation extends InvitationSchema.class {}
InvitationSchema.setClass(Invitation);

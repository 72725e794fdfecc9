// Who an account is at an upstream. Upstream, issuer and subject are the only key; an address or a name never is.
import { defineEntity, p } from '@mikro-orm/core';

const LinkedIdentitySchema = defineEntity({
  name: 'LinkedIdentity',
  properties: {
    id: p.uuid().primary(),
    accountId: p.uuid(),
    upstream: p.string(),
    issuer: p.string(),
    subject: p.string(),
    /** The next three are what the upstream said last, for people to recognise it by. */
    username: p.string().nullable(),
    email: p.string().nullable(),
    picture: p.string().nullable(),
    linkedAt: p.datetime(),
    lastUsedAt: p.datetime().nullable(),
  },
});

export class LinkedIdentity extends LinkedIdentitySchema.class {}
LinkedIdentitySchema.setClass(LinkedIdentity);

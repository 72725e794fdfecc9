// A registered relying party: its metadata under the registered names (RFC 7591), without any secret.
import { defineEntity, p } from '@mikro-orm/core';
import type { ClientMetadata } from './client-metadata.ts';

const ClientSchema = defineEntity({
  name: 'Client',
  properties: {
    clientId: p.string().primary(),
    metadata: p.json<ClientMetadata>(),
    /** `yaml`: declared in the settings and read-only elsewhere. */
    source: p.enum(['database', 'yaml'] as const),
    createdAt: p.datetime(),
    updatedAt: p.datetime(),
  },
});

export class Client extends ClientSchema.class {}
ClientSchema.setClass(Client);

const ClientSecretSchema = defineEntity({
  name: 'ClientSecret',
  properties: {
    id: p.uuid().primary(),
    clientId: p.string(),
    hash: p.string(),
    createdAt: p.datetime(),
    /** While a new secret takes over the old one still works until then. */
    expiresAt: p.datetime().nullable(),
  },
});

export class ClientSecret extends ClientSecretSchema.class {}
ClientSecretSchema.setClass(ClientSecret);

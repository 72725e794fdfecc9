// One row for each thing that happened. Rows are only ever added; the sweeper removes what is older than the retention.
import { defineEntity, p } from '@mikro-orm/core';

const AuditEventSchema = defineEntity({
  name: 'AuditEvent',
  properties: {
    id: p.bigint('string').primary().autoincrement(),
    at: p.datetime(),
    actorKind: p.enum(['account', 'client', 'cli', 'system', 'anonymous'] as const),
    actorId: p.string().nullable(),
    action: p.string(),
    targetKind: p.string().nullable(),
    targetId: p.string().nullable(),
    network: p.string().nullable(),
    userAgent: p.string().nullable(),
    clientId: p.string().nullable(),
    requestId: p.string().nullable(),
    result: p.enum(['success', 'failure'] as const),
    reason: p.string().nullable(),
    note: p.string().nullable(),
  },
});

export class AuditEvent extends AuditEventSchema.class {}
AuditEventSchema.setClass(AuditEvent);

// Which account holds which role.
import { defineEntity, p } from '@mikro-orm/core';

const RoleAssignmentSchema = defineEntity({
  name: 'RoleAssignment',
  properties: {
    id: p.uuid().primary(),
    accountId: p.uuid(),
    roleId: p.string(),
    createdAt: p.datetime(),
  },
});

export class RoleAssignment extends RoleAssignmentSchema.class {}
RoleAssignmentSchema.setClass(RoleAssignment);

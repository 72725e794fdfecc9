// The password of an account, as an Argon2 hash with its parameters inside.
import { defineEntity, p } from '@mikro-orm/core';

const PasswordSchema = defineEntity({
  name: 'Password',
  tableName: 'password',
  properties: {
    accountId: p.uuid().primary(),
    /** PHC string; never leaves this room. */
    hash: p.string(),
    createdAt: p.datetime(),
    changedAt: p.datetime(),
  },
});

export class Password extends PasswordSchema.class {}
PasswordSchema.setClass(Password);

// A person we know (OIDC: End-User). Everything another room needs to point at an account is its id; nothing points back from here.
import { defineEntity, p } from '@mikro-orm/core';
import { THEMES } from '../http/theme.ts';

export const ACCOUNT_STATUSES = ['pending', 'active', 'locked', 'disabled', 'deleted'] as const;
export type AccountStatus = (typeof ACCOUNT_STATUSES)[number];

/** The `address` claim (OIDC Core 5.1.1), with its wire names. */
export interface PostalAddress {
  formatted?: string;
  street_address?: string;
  locality?: string;
  region?: string;
  postal_code?: string;
  country?: string;
}

const AccountSchema = defineEntity({
  name: 'Account',
  properties: {
    id: p.uuid().primary(),
    /** The `sub` claim and the engine's account id. Never changes and is never used again. */
    subject: p.string().unique(),
    status: p.enum(ACCOUNT_STATUSES),
    email: p.string().nullable(),
    emailVerifiedAt: p.datetime().nullable(),
    username: p.string().nullable(),
    /** What look-alikes of the username have in common with it. */
    usernameSkeleton: p.string().nullable(),
    name: p.string().nullable(),
    givenName: p.string().nullable(),
    middleName: p.string().nullable(),
    familyName: p.string().nullable(),
    nickname: p.string().nullable(),
    profile: p.string().nullable(),
    picture: p.string().nullable(),
    website: p.string().nullable(),
    gender: p.string().nullable(),
    birthdate: p.string().nullable(),
    zoneinfo: p.string().nullable(),
    locale: p.string().nullable(),
    /** Of our pages; null follows the system. */
    theme: p.enum(THEMES).nullable(),
    phoneNumber: p.string().nullable(),
    phoneNumberVerifiedAt: p.datetime().nullable(),
    address: p.json<PostalAddress>().nullable(),
    createdAt: p.datetime(),
    updatedAt: p.datetime(),
    lastSignInAt: p.datetime().nullable(),
    lastSignInNetwork: p.string().nullable(),
    /** The client that brought the account here. */
    sourceClientId: p.string().nullable(),
    /** Whatever began before it is over. */
    signedOutAt: p.datetime().nullable(),
    /** Which terms were accepted, and when. */
    termsVersion: p.string().nullable(),
    termsAcceptedAt: p.datetime().nullable(),
    /** The owner deleted it; until then they can take it back. */
    purgeAt: p.datetime().nullable(),
    /** Goes up whenever a credential changes; what was bound to an older number is dead. */
    credentialVersion: p.integer(),
  },
});

export class Account extends AccountSchema.class {}
AccountSchema.setClass(Account);

// What each page is given: plain data and nothing else, because a template drops getters and methods of a class. One interface for each
// page below views/pages, named after it.
import type { Theme } from './theme.ts';

/** A relying party as pages show it. Its texts are already plain and short, its links https. */
export interface ClientModel {
  readonly name: string;
  /** Where the answer goes: what a person can compare with the address bar. May be empty. */
  readonly host: string;
  readonly url?: string | null;
  /** On our own origin: pages load nothing from elsewhere. */
  readonly logoUri?: string | null;
  readonly policyUri?: string | null;
  readonly tosUri?: string | null;
}

export interface AccountModel {
  readonly name: string;
  readonly email: string | null;
}

/** A way on, at the foot of a page. */
export interface NextStep {
  readonly label: string;
  readonly url: string;
}

/** What was wrong with a form. Each text is a translation key, or a sentence where there is no such key. */
export interface FormProblems {
  readonly summary?: string;
  /** By field name. An empty text marks the field without a message of its own. */
  readonly fields: Readonly<Record<string, string>>;
}

export interface UpstreamModel {
  readonly id: string;
  readonly label: string;
  /** A file in views/icons, without its ending; null for none. */
  readonly icon: string | null;
}

/** What a new password has to be: exactly what the server checks. */
export interface PasswordRuleModel {
  readonly key: string;
  /** A sentence. */
  readonly text: string;
  /** Whether the password that was sent kept it; `open` where none was sent, or where only another look can tell. */
  readonly state: 'open' | 'met' | 'unmet';
  /** Characters. */
  readonly min?: number;
  readonly max?: number;
}

/** Of the pages `login` and `reauthenticate`. */
export interface LoginModel {
  readonly client: ClientModel | null;
  readonly action: string;
  /** Fills the sign-in name in. */
  readonly login: string;
  /** The account is known and only proves itself again. */
  readonly loginReadonly: boolean;
  /** The name may be a phone number, too. */
  readonly takesPhone: boolean;
  /** Why it is asked again. */
  readonly reason?: 'reauthenticate' | 'max-age';
  /** Null when the box is not offered. */
  readonly remember: boolean | null;
  readonly rememberDays: number;
  readonly methods: { readonly password: boolean; readonly mailCode: boolean; readonly passkey: boolean };
  /** Where script gets the options and the answer is posted; `unknownId` is told to the browser as gone. */
  readonly passkey?: {
    readonly action: string;
    readonly optionsUrl: string;
    readonly rpId: string;
    readonly unknownId: string | null;
  };
  readonly upstreams: readonly UpstreamModel[];
  /** Where the button of an upstream posts its id as `upstream`; the page's own action when it is not given. */
  readonly upstreamAction?: string;
  /** The organization that asks for this sign-in; only what counts for it is shown. */
  readonly organization?: string;
  /** The page that asks for a phone number. */
  readonly phoneUrl?: string;
  /** The name alone may lead to the upstream of its domain. */
  readonly isPasswordOptional?: boolean;
  /** Becomes part of the account that signs in. */
  readonly linking?: { readonly upstream: string; readonly identity: string | null } | undefined;
  readonly registerUrl: string | null;
  readonly forgotUrl: string | null;
  /** The method or the upstream that this browser used last. */
  readonly lastUsed?: string;
  /** Seconds until the next try. */
  readonly retryAfter?: number;
  /** Posted to give up and go back to the client. */
  readonly abortAction?: string;
  /** Posted by "not you?" where the account is known. */
  readonly switchAction?: string;
  readonly errors: FormProblems;
}

/** An identity at an upstream that is part of no account yet. */
export interface UpstreamAccountModel {
  readonly client: ClientModel | null;
  /** Posted to with `/link` or `/create` appended. */
  readonly action: string;
  readonly upstream: string;
  /** How the person knows it. */
  readonly identity: string | null;
  /** `prove`: its address has an account; `unproven`: nobody says whether; `new`: nobody here has it. */
  readonly kind: 'prove' | 'unproven' | 'new';
  readonly canCreate: boolean;
  readonly name: string;
  readonly backUrl: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** Of the page `account-identities`. */
export interface IdentitiesModel {
  readonly identities: readonly {
    readonly id: string;
    /** Of the upstream. */
    readonly label: string;
    readonly icon: string | null;
    /** The account there. */
    readonly name: string | null;
    /** ISO 8601. */
    readonly linkedAt: string;
    readonly lastUsedAt: string | null;
    /** Nothing else would be left to sign in with. */
    readonly isLastWay: boolean;
  }[];
  readonly upstreams: readonly UpstreamModel[];
  /** IANA name; null: UTC. */
  readonly zone: string | null;
  /** Asked before it is done. */
  readonly unlink: { readonly action: string; readonly label: string } | null;
  readonly done: 'linked' | 'unlinked' | null;
  readonly errors: FormProblems;
}

export interface ScopeModel {
  readonly name: string;
  /** What the client will see, or what it will be able to do. */
  readonly group: 'see' | 'do';
  /** Not granted before, when it is asked again. */
  readonly isNew: boolean;
  /** For scopes that have no sentence of ours. */
  readonly label?: string;
  readonly detail?: string;
}

export interface ConsentModel {
  readonly client: ClientModel & { readonly verified: boolean; readonly firstParty: boolean };
  /** `switchUrl` is posted to. */
  readonly account: AccountModel & { readonly switchUrl: string };
  /** The one of this sign-in, for an app that is told. */
  readonly organization?: { readonly name: string; readonly logoUrl: string | null };
  readonly scopes: readonly ScopeModel[];
  readonly offlineAccess: boolean;
  readonly isAgain: boolean;
  readonly action: string;
  readonly redirectHost: string;
}

/** Forms of the device pages carry the engine's own token against foreign forms. */
export interface DeviceModel {
  readonly action: string;
  readonly xsrf: string;
  /** Fills the code in. */
  readonly code: string;
  /** Seconds until the next try. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

export interface DeviceConfirmModel {
  readonly action: string;
  readonly xsrf: string;
  readonly client: ClientModel;
  /** To be compared with what the device shows, and written in the same way. */
  readonly code: string;
  readonly scopes: readonly ScopeModel[];
  readonly offlineAccess: boolean;
  /** Where the code was asked for. */
  readonly request: { readonly network: string; readonly userAgent: string; readonly minutesAgo: number };
}

export interface SelectAccountModel {
  readonly client: ClientModel | null;
  readonly action: string;
  readonly accounts: readonly (AccountModel & {
    /** An opaque handle. */
    readonly id: string;
    readonly isSignedIn: boolean;
    readonly isCurrent: boolean;
  })[];
}

export interface LogoutModel {
  readonly client: ClientModel | null;
  readonly account: AccountModel | null;
  readonly confirmAction: string;
  /** The engine's own token against foreign forms. */
  readonly xsrf: string;
}

export interface LoggedOutModel {
  readonly client: ClientModel | null;
  readonly returnUrl: string | null;
}

export interface ErrorModel {
  /** Stable, kebab-case, for `data-error`. Decides the texts when none are given: see error-text.ts. */
  readonly code: string;
  readonly title?: string;
  readonly text?: string;
  readonly client?: ClientModel | null;
  readonly nextSteps: readonly NextStep[];
  /** For developers, folded. */
  readonly details: { readonly error: string; readonly description?: string } | null;
  /** Seconds. */
  readonly retryAfter?: number;
  /** What an administrator must change, with the values that were seen. */
  readonly operatorHint?: string;
}

/** A page that only says something: done, expired, already used. */
export interface MessageModel {
  /** For `data-page`. */
  readonly pageId: string;
  readonly title: string;
  readonly text: string;
  readonly nextSteps: readonly NextStep[];
}

export interface HomeModel {
  readonly account: AccountModel | null;
  readonly isAdministrator: boolean;
  readonly issuer: string;
  readonly setupNeeded: boolean;
  readonly discoveryUrl: string;
  readonly signOutUrl: string;
}

export interface SetupModel {
  readonly stage: 'closed' | 'invalid' | 'form' | 'done';
  readonly action: string;
  readonly email: string;
  readonly name: string;
  readonly username: string;
  readonly issuer: string;
  /** Where this request says that it arrived. */
  readonly seenOrigin: string;
  readonly issuerMatches: boolean;
  readonly minLength: number;
  readonly rules: readonly PasswordRuleModel[];
  /** The offer to register the first client; given back with what was typed after a mistake. */
  readonly firstClient: {
    readonly action: string;
    readonly name?: string;
    readonly redirectUri?: string;
    readonly applicationType?: 'web' | 'spa' | 'native';
  } | null;
  /** The first client, shown once. */
  readonly created: {
    readonly clientId: string;
    readonly clientSecret: string | null;
    readonly snippet: string;
    readonly issuer: string;
  } | null;
  readonly errors: FormProblems;
}

/** Of the pages `magic-link` and `verify-email`: a code from a mail. */
export interface MailedCodeModel {
  readonly client: ClientModel | null;
  readonly action: string;
  /** As typed and masked; null when a username was typed. */
  readonly address: string | null;
  /** For which the code still works. */
  readonly minutes: number;
  readonly digits: number;
  readonly resend: ResendModel;
  readonly otherWayUrl: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** The button for another mail. */
export interface ResendModel {
  readonly action: string;
  /** Seconds until it works. */
  readonly wait: number;
}

export interface TermsModel {
  readonly client: ClientModel | null;
  readonly action: string;
  /** Of the document. */
  readonly url: string;
  /** Carried by the form: what was shown is what is agreed to. */
  readonly version: string;
  /** An older version was agreed to. */
  readonly isAgain: boolean;
  readonly account: AccountModel;
  /** Posted by "not you?". */
  readonly switchAction: string;
}

export interface RegisterModel {
  readonly client: ClientModel | null;
  readonly action: string;
  readonly signInUrl: string;
  readonly email: string;
  /** `invited`: it is the one of the invitation. */
  readonly emailUse: 'required' | 'optional' | 'invited';
  readonly username: string;
  readonly usernameUse: 'off' | 'optional' | 'required';
  readonly name: string;
  /** What has to be agreed to; null for nothing. */
  readonly termsUrl: string | null;
  readonly termsAccepted: boolean;
  readonly minLength: number;
  readonly rules: readonly PasswordRuleModel[];
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

export interface ResetModel {
  readonly action: string;
  readonly login: string;
  /** The name may be a phone number, too. */
  readonly takesPhone: boolean;
  /** The sign-in to go on with afterwards. */
  readonly interaction: string | null;
  readonly backUrl: string;
  /** The mail is on its way, or so we say. */
  readonly sent?: {
    readonly address: string | null;
    readonly minutes: number;
    readonly digits: number;
    readonly resend: ResendModel;
  };
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** Of the page `reset-confirm`. */
export interface NewPasswordModel {
  readonly action: string;
  readonly minLength: number;
  readonly rules: readonly PasswordRuleModel[];
  readonly done: boolean;
  readonly backUrl: string;
  readonly errors: FormProblems;
}

/** Of the page `link-confirm`. */
export interface LinkModel {
  readonly purpose:
    | 'sign-in'
    | 'verify-email'
    | 'invitation'
    | 'email-change'
    | 'email-undo'
    | 'deletion-undo'
    | 'membership';
  /** Null in a browser in which the link does nothing. */
  readonly action: string | null;
  /** Carried by the form, where its address does not. */
  readonly token: string | null;
  readonly isDone: boolean;
  /** What an invitation leads into. */
  readonly organization?: {
    readonly name: string;
    readonly memberRole: 'owner' | 'admin' | 'member';
    /** Whether an account may be made for it. */
    readonly mayRegister: boolean;
    /** Who is signed in with this browser. */
    readonly account: AccountModel | null;
  };
}

/** Of the page `account-organizations`. */
export interface AccountOrganizationsModel {
  readonly organizations: readonly {
    readonly id: string;
    readonly slug: string;
    readonly name: string;
    readonly logoUrl: string | null;
    readonly memberRole: 'owner' | 'admin' | 'member';
    /** Where it is managed; null for who does not. */
    readonly manageUrl: string | null;
  }[];
  /** What is to be left, when that is asked. */
  readonly leaving: { readonly name: string; readonly action: string } | null;
  readonly done: 'joined' | 'left' | null;
  readonly errors: FormProblems;
}

/** Of the page `account-invitation`. */
export interface AccountInvitationModel {
  /** `code` waits for the code that proves the address. */
  readonly stage: 'question' | 'code';
  readonly organization: string;
  readonly memberRole: 'owner' | 'admin' | 'member';
  readonly action: string;
  /** The address that has to be proven; null when this account has proven it. */
  readonly address: string | null;
  readonly isMember: boolean;
  readonly code: {
    readonly action: string;
    readonly digits: number;
    readonly minutes: number;
    readonly resend: ResendModel;
  } | null;
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** Of the page `account-profile`. */
export interface ProfileModel {
  readonly stage: 'overview' | 'email' | 'code' | 'phone' | 'notices';
  readonly name: string;
  /** A language tag, or nothing for that of the browser. */
  readonly locale: string;
  readonly languages: readonly { readonly tag: string; readonly name: string }[];
  /** `path` is null for one that lies elsewhere; null for none. */
  readonly picture: { readonly path: string | null } | null;
  /** An IANA name; empty for none. */
  readonly zone: string;
  readonly zones: readonly string[];
  /** Empty for that of the system. */
  readonly theme: Theme | '';
  readonly email: string | null;
  readonly username: string | null;
  /** Waits for proof. */
  readonly pendingEmail: string | null;
  readonly typedEmail: string;
  /** The proven number. */
  readonly phone: string | null;
  /** Where a number can be proven; null where none can. */
  readonly phoneBot: { readonly name: string; readonly url: string } | null;
  readonly notices: {
    /** Those that reach the person now. */
    readonly channels: readonly ('mail' | 'telegram')[];
    readonly kinds: readonly {
      readonly kind: 'sign-in' | 'change';
      readonly mail: boolean;
      readonly telegram: boolean;
    }[];
  };
  readonly code: {
    readonly action: string;
    readonly minutes: number;
    readonly digits: number;
    readonly resend: ResendModel;
  } | null;
  /** What was just saved. */
  readonly changed: 'profile' | 'email' | 'phone' | null;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

export interface NotMeModel {
  readonly action: string;
  readonly isDone: boolean;
  /** What the account is brought back by: a mail, a message in Telegram, or whatever way in it has. */
  readonly recovery: 'mail' | 'telegram' | 'sign-in';
}

type SecondFactorMethod = 'passkey' | 'totp' | 'telegram' | 'recovery-code';

export interface SecondFactorModel {
  readonly client: ClientModel | null;
  readonly action: string;
  readonly method: SecondFactorMethod;
  /** Which entry of the authenticator app it is, without saying whose account. */
  readonly entry: string | null;
  readonly others: readonly { readonly method: SecondFactorMethod; readonly url: string }[];
  /** For script, where the method is a passkey. */
  readonly optionsUrl: string | null;
  /** Where the method is Telegram; null while the bot is not there. */
  readonly bot: { readonly url: string; readonly name: string } | null;
  /** Days for which "trust this browser" holds; null when the box is not offered. */
  readonly trustDays: number | null;
  /** The app takes the sign-in without it as well. */
  readonly isOptional: boolean;
  /** Posted by "not you?". */
  readonly switchAction: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** Of the page `second-factor-setup`: inside of a sign-in, for an account that needs a second factor and has none. */
export interface SecondFactorSetupModel {
  readonly client: ClientModel | null;
  readonly stage: 'choose' | 'totp' | 'passkey' | 'telegram' | 'codes';
  readonly action: string;
  readonly choices: readonly { readonly method: 'passkey' | 'totp' | 'telegram'; readonly url: string }[];
  /** `qr` is an SVG of our own. */
  readonly authenticator: { readonly secret: string; readonly qr: string } | null;
  readonly optionsUrl: string | null;
  /** Where it is Telegram; null while the bot is not there. */
  readonly bot: { readonly url: string; readonly name: string } | null;
  /** Otherwise whoever answers is linked with the account. */
  readonly isTelegramLinked: boolean;
  /** In clear, this once; empty when the page is opened again. */
  readonly codes: readonly string[];
  /** Posted by "not you?". */
  readonly switchAction: string;
  readonly errors: FormProblems;
}

/** Of the page `account-security`. */
export interface SecurityModel {
  readonly stage: 'overview' | 'password' | 'authenticator' | 'codes' | 'passkey-add' | 'passkey-rename' | 'confirm';
  /** Something was just changed. */
  readonly changed: boolean;
  readonly hasPassword: boolean;
  /** When it was chosen. */
  readonly passwordChangedAt: MomentModel | null;
  readonly hasAuthenticator: boolean;
  readonly authenticatorUse: FactorUse | null;
  /** Whether browsers know passkeys here. */
  readonly canPasskey: boolean;
  readonly passkeys: readonly (FactorUse & {
    readonly id: string;
    readonly name: string;
    /** Who keeps it, if that is known. */
    readonly provider: string | null;
    /** Otherwise it is lost with its device. */
    readonly isSynced: boolean;
    /** Otherwise it is a second factor only. */
    readonly isWayIn: boolean;
    /** The only way in, and not synced. */
    readonly isRisky: boolean;
  })[];
  /** For the browser's own list. */
  readonly passkeySignal: object | null;
  /** Approval in the bot: `absent` where there is no bot, `unlinked` while the account has no Telegram account to ask. */
  readonly telegram: 'absent' | 'unlinked' | 'off' | 'on';
  readonly telegramUse: FactorUse | null;
  readonly hasSecondFactor: boolean;
  /** Left. */
  readonly recoveryCodes: number;
  /** Independent ways to sign in. */
  readonly waysIn: number;
  /** The next best step: `security.advice.*`. */
  readonly advice: 'passkey' | 'second-way' | 'second-factor' | 'recovery-codes' | null;
  /** What happened of late, the newest first: `security.event.*`. */
  readonly events: readonly {
    readonly what: string;
    readonly isFailure: boolean;
    readonly at: MomentModel;
    readonly network: string | null;
  }[];
  readonly minLength: number;
  readonly rules: readonly PasswordRuleModel[];
  /** `qr` is an SVG of our own. */
  readonly authenticator: { readonly secret: string; readonly qr: string } | null;
  /** In clear, this once. */
  readonly newCodes: readonly string[] | null;
  /** What is about to be taken away or replaced. */
  readonly confirmation: {
    readonly what: 'password' | 'totp' | 'passkey' | 'recovery-codes' | 'telegram' | 'telegram-add';
    readonly action: string;
    readonly name: string | null;
  } | null;
  /** The one that is made or renamed. */
  readonly passkey: { readonly name: string; readonly action: string; readonly optionsUrl: string | null } | null;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

interface MomentModel {
  readonly iso: string;
  readonly day: string;
  readonly exact: string;
}

interface FactorUse {
  readonly createdAt: MomentModel;
  readonly lastUsedAt: MomentModel | null;
}

/** Of the page `account-sessions`. */
export interface SessionsModel {
  /** The one of this browser first. */
  readonly sessions: readonly {
    readonly id: string;
    /** What the person, or an app on the device, calls it. */
    readonly name: string | null;
    readonly browser: string | null;
    readonly system: string | null;
    readonly address: string | null;
    /** How it was signed in, as the audit calls it. */
    readonly methods: readonly string[];
    readonly apps: readonly string[];
    /** ISO. */
    readonly firstSeen: string;
    readonly lastSeen: string;
    readonly isCurrent: boolean;
    /** Forms are posted to `…/end` and `…/name` below it. */
    readonly action: string;
  }[];
  /** IANA name of the account's time zone. */
  readonly zone: string | null;
  readonly mostName: number;
}

/** Of the page `account-apps`. */
export interface AppsModel {
  /** The last used first. */
  readonly apps: readonly (ClientModel & {
    readonly id: string;
    readonly scopes: readonly ScopeModel[];
    /** Goes on while the person is away. */
    readonly isOffline: boolean;
    /** Nobody was asked: it belongs to the provider's owner. */
    readonly isOurs: boolean;
    /** ISO 8601. */
    readonly firstUsedAt: string;
    readonly lastUsedAt: string;
  })[];
  /** IANA name of the account's time zone; null: UTC. */
  readonly zone: string | null;
  readonly done: boolean;
}

/** Of the page `account-activity`. */
export interface ActivityModel {
  /** The newest first. */
  readonly events: readonly {
    readonly id: string;
    /** `activity.event.*`. */
    readonly what: string;
    readonly isFailure: boolean;
    /** ISO 8601. */
    readonly at: string;
    /** Somebody else did it. */
    readonly isOther: boolean;
    readonly address: string | null;
    readonly browser: string | null;
    readonly system: string | null;
    readonly app: string | null;
  }[];
  readonly kinds: readonly string[];
  /** Empty for all. */
  readonly kind: string;
  /** Only what happened with this one. */
  readonly app: { readonly id: string; readonly name: string } | null;
  readonly nextUrl: string | null;
  readonly isFirst: boolean;
  /** IANA name of the account's time zone; null: UTC. */
  readonly zone: string | null;
}

/** Of the page `account-data`. */
export interface DataModel {
  readonly stage: 'overview' | 'export';
  /** For which a deletion can be taken back. */
  readonly days: number;
}

/** Of the page `account-delete`. */
export interface DeleteModel {
  readonly isDone: boolean;
  /** For which it can be taken back. */
  readonly days: number;
  /** ISO 8601; null before it is done. */
  readonly purgeAt: string | null;
  /** Whether a mail says how to take it back. */
  readonly hasMail: boolean;
  /** IANA name of the account's time zone; null: UTC. */
  readonly zone: string | null;
  readonly errors: FormProblems;
}

/** Of the page `phone`: a number, then the code that was sent to it. */
export interface PhoneModel {
  readonly client: ClientModel | null;
  readonly stage: 'number' | 'code';
  readonly action: string;
  /** As typed; masked where a code is waited for. */
  readonly phone: string;
  /** Null where it was asked before. */
  readonly remember: boolean | null;
  readonly rememberDays: number;
  readonly code: { readonly digits: number; readonly minutes: number; readonly resend: ResendModel } | null;
  readonly otherWayUrl: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** Of the page `telegram-wait`: the way to the bot, the number to choose there, and back. */
export interface TelegramWaitModel {
  readonly client: ClientModel | null;
  readonly action: string;
  readonly purpose: 'sign-in' | 'second-factor' | 'fresh-proof' | 'link' | 'enrolment';
  readonly state: 'open' | 'claimed' | 'approved' | 'denied' | 'taken' | 'expired';
  /** Two digits. */
  readonly number: string;
  /** The question is in a chat with the bot already; otherwise a link leads to it. */
  readonly isInChat: boolean;
  /** `qr` is an SVG of our own; null while the bot is not there. */
  readonly bot: { readonly url: string; readonly name: string; readonly qr: string } | null;
  /** For which the question still stands. */
  readonly minutes: number;
  /** Posted to begin again. */
  readonly againAction: string;
  /** The box "trust this browser" beside it; null when it is not offered. */
  readonly trust: { readonly days: number; readonly isTicked: boolean } | null;
  readonly otherWayUrl: string;
}

/** Of the page `telegram-mini-app`: in the web view of Telegram, before and after it said who opened it. */
export interface TelegramMiniAppModel {
  readonly action: string;
  readonly state: 'open' | 'confirm' | 'stale' | 'invalid' | 'over';
  /** Telegram's own script, which says who opened the page; only there. */
  readonly scriptUrl: string | null;
  /** With `confirm`: the one-time value that goes on, unless it is part of the address. */
  readonly handle: string | null;
  readonly who: string | null;
  /** Null for the account portal. */
  readonly client: ClientModel | null;
}

/** Of the page `telegram-widget`. */
export interface TelegramWidgetModel {
  readonly client: ClientModel | null;
  /** Null while the bot is not there. */
  readonly widget: {
    /** Telegram's own script, which draws the button. */
    readonly scriptUrl: string | null;
    readonly bot: string;
    readonly returnUrl: string;
  } | null;
  readonly otherWayUrl: string;
}

/** The pages of a portal, and which of them is shown. */
export interface Navigation {
  /** Key of its name. */
  readonly label: string;
  readonly entries: readonly { readonly url: string; readonly label: string; readonly isCurrent: boolean }[];
}

/** Of the page `admin-invitations`. */
export interface AdminInvitationsModel {
  /** The newest first. */
  readonly invitations: readonly {
    readonly id: string;
    readonly email: string;
    /** Their names. */
    readonly roles: readonly string[];
    readonly state: 'open' | 'used' | 'revoked' | 'expired';
    readonly expiresAt: string;
    /** Both null when nothing can be done any more. */
    readonly resendUrl: string | null;
    readonly revokeUrl: string | null;
  }[];
  readonly zone: string | null;
  readonly nextUrl: string | null;
  readonly roles: readonly { readonly id: string; readonly name: string }[];
  readonly mailLanguages: readonly { readonly tag: string; readonly name: string }[];
  readonly form: { readonly email: string; readonly role: string; readonly locale: string };
  readonly done: 'sent' | 'revoked' | null;
  readonly errors: FormProblems;
}

/** Of the page `admin-organizations`. */
export interface AdminOrganizationsModel {
  readonly query: string;
  readonly organizations: readonly {
    readonly slug: string;
    readonly name: string;
    readonly members: number;
    readonly url: string;
  }[];
  readonly nextUrl: string | null;
  /** Null for who may make none. */
  readonly create: { readonly slug: string; readonly name: string } | null;
  readonly isDeleted: boolean;
  readonly errors: FormProblems;
}

/** Of the page `admin-organization`. */
export interface AdminOrganizationModel {
  readonly id: string;
  readonly slug: string;
  readonly name: string;
  readonly action: string;
  readonly invitationsUrl: string;
  readonly rolesUrl: string;
  /** Path of the logo; null for none. */
  readonly logoUrl: string | null;
  /** `delete` asks whether it is meant. */
  readonly stage: 'detail' | 'delete';
  readonly canWrite: boolean;
  readonly canSetDomains: boolean;
  readonly canAdd: boolean;
  readonly canDelete: boolean;
  readonly members: readonly {
    readonly id: string;
    readonly name: string;
    readonly email: string | null;
    readonly memberRole: 'owner' | 'admin' | 'member';
    /** Ids. */
    readonly customRoles: readonly string[];
    readonly rolesUrl: string;
    /** Null for who may not see accounts. */
    readonly url: string | null;
    /** Null for who may not change this one. */
    readonly action: string | null;
  }[];
  readonly nextUrl: string | null;
  /** Those that may be given. */
  readonly memberRoles: readonly ('owner' | 'admin' | 'member')[];
  readonly ownWays: readonly ('password' | 'passkey' | 'mail' | 'phone')[];
  readonly upstreamWays: readonly { readonly way: string; readonly label: string }[];
  /** Who was to be added. */
  readonly login: string;
  readonly isChanged: boolean;
  /** Null for who may not see events. */
  readonly auditUrl: string | null;
  readonly form: {
    readonly name: string;
    /** One in a line. */
    readonly domains: string;
    readonly secondFactor: boolean;
    readonly invitations: boolean;
    readonly domainJoin: boolean;
    readonly limitWays: boolean;
    readonly ways: readonly string[];
    /** Nothing for as long as the deployment says. */
    readonly sessionMinutes: string;
  };
  readonly errors: FormProblems;
}

/** Of the page `admin-organization-roles`. */
export interface AdminOrganizationRolesModel {
  readonly organization: { readonly name: string; readonly url: string };
  readonly action: string;
  readonly roles: readonly {
    readonly id: string;
    readonly name: string;
    /** The lowest role whose holders may give it. */
    readonly memberRole: 'owner' | 'admin';
    /** Null for who may not. */
    readonly deleteUrl: string | null;
  }[];
  /** What is to be deleted, when that is asked. */
  readonly deleting: { readonly name: string; readonly action: string } | null;
  /** Null for who may make none. */
  readonly form: { readonly id: string; readonly name: string; readonly givenBy: 'owner' | 'admin' } | null;
  readonly isChanged: boolean;
  readonly errors: FormProblems;
}

/** Of the page `admin-organization-member`. */
export interface AdminOrganizationMemberModel {
  readonly organization: { readonly name: string; readonly url: string };
  readonly name: string;
  readonly email: string | null;
  readonly memberRole: 'owner' | 'admin' | 'member';
  /** Roles of the organization's own. */
  readonly roles: readonly {
    readonly id: string;
    readonly name: string;
    readonly isHeld: boolean;
    /** Whether this person may give and take it. */
    readonly isOpen: boolean;
  }[];
  /** Null for who may not change this member. */
  readonly action: string | null;
}

/** Of the page `admin-organization-invitations`. */
export interface AdminOrganizationInvitationsModel {
  readonly organization: { readonly name: string; readonly url: string };
  readonly action: string;
  /** The newest first. */
  readonly invitations: readonly {
    readonly id: string;
    readonly email: string;
    readonly memberRole: 'owner' | 'admin' | 'member';
    readonly state: 'open' | 'used' | 'revoked' | 'expired';
    readonly expiresAt: string;
    /** Null for the command line, and for an account that is gone. */
    readonly inviter: string | null;
    /** The address to which `/resend` and `/revoke` are added; null when nothing can be done any more, or not by this person. */
    readonly action: string | null;
  }[];
  readonly zone: string | null;
  readonly nextUrl: string | null;
  /** Those that may be given; none for who may not invite. */
  readonly memberRoles: readonly ('owner' | 'admin' | 'member')[];
  readonly mailLanguages: readonly { readonly tag: string; readonly name: string }[];
  readonly form: { readonly email: string; readonly memberRole: 'owner' | 'admin' | 'member'; readonly locale: string };
  readonly done: 'sent' | 'revoked' | null;
  readonly errors: FormProblems;
}

/** Of the page `select-organization`. */
export interface SelectOrganizationModel {
  readonly client: ClientModel | null;
  readonly action: string;
  /** Several, in the order of their short names. */
  readonly organizations: readonly {
    readonly id: string;
    readonly slug: string;
    readonly name: string;
    readonly logoUrl: string | null;
  }[];
  readonly account: AccountModel;
  readonly switchAction: string;
}

/** Of the page `admin-roles`. */
export interface AdminRolesModel {
  readonly roles: readonly {
    readonly id: string;
    readonly name: string;
    readonly url: string;
    readonly rank: number;
    readonly source: 'built-in' | 'yaml' | 'database';
    /** The API that it is a role of; null for roles of Latchkey. */
    readonly audience: string | null;
    readonly holders: number;
    /** Null for who may not see accounts. */
    readonly holdersUrl: string | null;
  }[];
  /** Names of the roles of Latchkey, in the order of `has`. */
  readonly columns: readonly string[];
  readonly permissions: readonly { readonly name: string; readonly has: readonly boolean[] }[];
  /** Null for who may only look. */
  readonly createUrl: string | null;
  readonly isDeleted: boolean;
}

/** Of the page `admin-role`. */
export interface AdminRoleModel {
  /** `delete` asks whether it is meant. */
  readonly stage: 'new' | 'detail' | 'delete';
  readonly id: string | null;
  readonly name: string;
  readonly action: string;
  /** Only those of the database can be changed. */
  readonly source: 'built-in' | 'yaml' | 'database';
  readonly audience: string | null;
  readonly canWrite: boolean;
  readonly holders: number;
  readonly holdersUrl: string | null;
  readonly inheritable: readonly { readonly id: string; readonly name: string; readonly isChosen: boolean }[];
  readonly permissions: readonly {
    readonly name: string;
    readonly isChosen: boolean;
    readonly isInherited: boolean;
  }[];
  readonly isChanged: boolean;
  /** Null for who may not see events. */
  readonly auditUrl: string | null;
  readonly form: {
    readonly id: string;
    readonly name: string;
    readonly rank: string;
    readonly audience: string;
    /** One in a line, of the API. */
    readonly apiPermissions: string;
    readonly inherits: readonly string[];
    readonly permissions: readonly string[];
  };
  readonly errors: FormProblems;
}

/** Of the page `admin-clients`. */
export interface AdminClientsModel {
  readonly query: string;
  readonly clients: readonly {
    readonly id: string;
    readonly name: string;
    readonly url: string;
    readonly isDeclared: boolean;
  }[];
  readonly nextUrl: string | null;
  /** Null for who may only look. */
  readonly create: {
    readonly templates: readonly string[];
    readonly template: string;
    readonly name: string;
    readonly address: string;
  } | null;
  readonly isDeleted: boolean;
  readonly errors: FormProblems;
}

/** Of the page `admin-upstreams`. */
export interface AdminUpstreamsModel {
  /** In the order of the buttons. */
  readonly upstreams: readonly (UpstreamModel & {
    readonly kind: string;
    readonly source: 'yaml' | 'database';
    /** Its own page; null for doors of our own, such as the bot. */
    readonly url: string | null;
    readonly isOn: boolean;
    /** The settings declare another one under this id, which goes before. */
    readonly isOverridden: boolean;
    /** Null where it stays where it is. */
    readonly move: {
      readonly action: string;
      /** As it is shown here. */
      readonly place: number;
      readonly canRise: boolean;
      readonly canSink: boolean;
    } | null;
    readonly issuer: string | null;
    readonly clientId: string | null;
    /** To be registered there; null for doors of our own, such as the bot. */
    readonly callbackUrl: string | null;
    /** Posted to. */
    readonly testUrl: string | null;
    /** It failed so often of late that it is left alone for a while. */
    readonly isPaused: boolean;
    readonly lastUsedAt: string | null;
    readonly lastFailure: { readonly failedAt: string; readonly reason: string } | null;
    /** What of its word is believed. */
    readonly takes: readonly (
      | 'subject'
      | 'email'
      | 'email_shown'
      | 'profile_once'
      | 'profile_always'
      | 'second_factor'
      | 'tokens'
    )[];
    readonly domains: readonly string[];
    /** Right after a test of the connection. */
    readonly tested:
      | readonly {
          readonly step: 'address' | 'keys' | 'credentials';
          readonly problem: 'unreachable' | 'setting' | 'odd' | null;
          readonly detail: string | null;
        }[]
      | null;
  })[];
  /** Null for who may only look. */
  readonly createUrl: string | null;
  readonly isDeleted: boolean;
  readonly zone: string | null;
}

/** Of the page `admin-upstream`: which kind to add, the form of one, or the question whether to delete it. */
export interface AdminUpstreamModel {
  readonly stage: 'kinds' | 'new' | 'detail' | 'delete';
  /** Null for one that is not there yet. */
  readonly id: string | null;
  readonly label: string;
  readonly kind: string;
  readonly source: 'yaml' | 'database';
  /** Posted to, and what stands below it. */
  readonly action: string;
  /** To choose from; addresses of the forms. */
  readonly kinds: readonly {
    readonly kind: string;
    readonly label: string;
    readonly icon: string | null;
    readonly url: string;
  }[];
  /** What may be said of this kind, by the names of the settings. */
  readonly members: readonly string[];
  /** Null for who may not see events. */
  readonly auditUrl: string | null;
  readonly isOn: boolean;
  /** The settings declare another one under this id, which goes before. */
  readonly isOverridden: boolean;
  /** It lacks nothing that it needs. */
  readonly isComplete: boolean;
  readonly canWrite: boolean;
  readonly hasSecret: boolean;
  readonly callbackUrl: string;
  /** Posted to; null for one that cannot be asked. */
  readonly testUrl: string | null;
  /** Where an app is registered there; null where we cannot know. */
  readonly consoleUrl: string | null;
  /** What an account gets of what it says: the claim, where it is said, and when it counts. */
  readonly claims: readonly {
    readonly claim: string;
    readonly from: string;
    readonly when: 'key' | 'verified' | 'shown' | 'created' | 'always';
  }[];
  /** Accounts with an identity there, and those of them with no other way in. */
  readonly reliance: { readonly people: number; readonly stranded: number };
  readonly done: 'saved' | 'secret-dropped' | 'on' | 'off' | null;
  readonly form: {
    readonly id: string;
    readonly clientId: string;
    readonly label: string;
    readonly issuer: string;
    readonly authorizationEndpoint: string;
    readonly tokenEndpoint: string;
    readonly apiRoot: string;
    readonly tenant: string;
    readonly teamId: string;
    readonly keyId: string;
    /** With spaces between. */
    readonly scopes: string;
    /** One a line. */
    readonly domains: string;
    readonly trustEmail: boolean;
    readonly trustSecondFactor: boolean;
    readonly refreshProfile: boolean;
    readonly keepTokens: boolean;
  };
  readonly errors: FormProblems;
}

/** Of the page `admin-claims`. */
export interface AdminClaimsModel {
  readonly form: {
    /** An id, an address or a username. */
    readonly account: string;
    readonly client: string;
    readonly scope: string;
    readonly resource: string;
  };
  /** The APIs that tokens can be for. */
  readonly resources: readonly { readonly id: string; readonly name: string }[];
  /** Null before something is chosen. */
  readonly preview: {
    readonly client: { readonly name: string; readonly url: string };
    readonly account: AccountModel;
    /** Why there would be no token. */
    readonly stops: readonly string[];
    /** What would be asked on the way. */
    readonly steps: readonly string[];
    readonly leftOut: readonly { readonly scope: string; readonly reason: string }[];
    readonly scopes: readonly ScopeModel[];
    /** Of the sign-in that is taken for granted. */
    readonly methods: readonly string[];
    readonly tokens: {
      /** JSON, as the others. */
      readonly idToken: string;
      readonly algorithm: string;
      readonly accessToken: {
        readonly format: 'opaque' | 'jwt';
        readonly scope: string;
        readonly audience: string | null;
        /** Seconds. */
        readonly ttl: number;
        readonly payload: string | null;
      };
      readonly userinfo: string | null;
      readonly hasRefreshToken: boolean;
      readonly reasons: readonly {
        readonly scope: string;
        readonly idToken: readonly string[];
        readonly userinfo: readonly string[];
        readonly missing: readonly string[];
      }[];
    } | null;
  } | null;
  readonly errors: FormProblems;
}

/** Of the page `admin-client`. */
export interface AdminClientModel {
  readonly id: string;
  readonly name: string;
  readonly action: string;
  /** `delete` asks whether it is meant. */
  readonly stage: 'detail' | 'delete';
  /** In the settings: nothing can be changed here. */
  readonly isDeclared: boolean;
  readonly canWrite: boolean;
  readonly canDelete: boolean;
  readonly hasSecret: boolean;
  /** In clear, once, right after it was made. */
  readonly secret: string | null;
  readonly isNative: boolean;
  /** Examples for several libraries. */
  readonly snippets: readonly { readonly kind: string; readonly text: string }[];
  /** Leads through a sign-in of this app, up to its registered address; null where nobody signs in. */
  readonly tryUrl: string | null;
  readonly authMethod: string;
  readonly grantTypes: string;
  readonly isChanged: boolean;
  /** What was done to it, and what was done with it; null for who may not see events. */
  readonly auditUrls: Readonly<Record<'changes' | 'uses', string | null>>;
  readonly form: {
    readonly name: string;
    /** One in a line. */
    readonly redirectUris: string;
    readonly requiredAcr: string;
    readonly isFirstParty: boolean;
    readonly upstreams: string;
    readonly roleAudience: string;
    /** Seconds, by their field. */
    readonly lives: Readonly<Record<string, string>>;
    /** One in a line. */
    readonly postLogoutUris: string;
    readonly backchannelLogoutUri: string;
  };
  readonly errors: FormProblems;
}

/** Of the page `admin-accounts`. */
export interface AdminAccountsModel {
  readonly query: string;
  /** Empty for any. */
  readonly status: string;
  readonly statuses: readonly string[];
  /** Empty for any. */
  readonly role: string;
  readonly roles: readonly RoleModel[];
  readonly accounts: readonly {
    readonly id: string;
    readonly url: string;
    /** What it is known by. */
    readonly name: string;
    readonly email: string | null;
    readonly status: string;
    readonly createdAt: string;
    readonly lastSignInAt: string | null;
  }[];
  readonly zone: string | null;
  readonly nextUrl: string | null;
  /** Null for who may not create one. */
  readonly create: {
    readonly email: string;
    readonly name: string;
    readonly username: string;
    readonly locale: string;
    readonly languages: readonly { readonly tag: string; readonly name: string }[];
  } | null;
  readonly isDeleted: boolean;
  /** What can be done to several at once; nothing for who may do nothing. */
  readonly bulkActions: readonly string[];
  readonly errors: FormProblems;
}

export interface RoleModel {
  readonly id: string;
  readonly name: string;
}

interface AdminSessionModel {
  readonly id: string;
  readonly name: string | null;
  readonly browser: string | null;
  readonly system: string | null;
  readonly address: string | null;
  readonly methods: readonly string[];
  readonly apps: readonly string[];
  readonly firstSeen: string;
  readonly lastSeen: string;
  /** Null where this administrator must not end it. */
  readonly endUrl: string | null;
}

/** A section of the page `admin-account`, and what it shows. */
export interface AdminAccountSections {
  readonly profile: {
    readonly name: string | null;
    readonly givenName: string | null;
    readonly familyName: string | null;
    readonly username: string | null;
    readonly email: string | null;
    readonly emailVerified: boolean;
    readonly phoneNumber: string | null;
    readonly locale: string | null;
    readonly zoneinfo: string | null;
    readonly createdAt: string;
    readonly lastSignInAt: string | null;
    /** When it will be gone, where its owner deleted it. */
    readonly purgeAt: string | null;
  };
  /** What there is, and nothing of what is secret. */
  readonly credentials: {
    readonly hasPassword: boolean;
    readonly hasAuthenticator: boolean;
    readonly recoveryCodes: number;
    readonly waysIn: number;
    readonly passkeys: readonly {
      readonly name: string;
      readonly provider: string | null;
      readonly createdAt: string;
      readonly lastUsedAt: string | null;
    }[];
    readonly identities: readonly {
      readonly label: string;
      readonly name: string | null;
      readonly linkedAt: string;
      readonly lastUsedAt: string | null;
    }[];
  };
  readonly sessions: readonly AdminSessionModel[];
  readonly apps: readonly {
    readonly id: string;
    readonly name: string;
    /** Null for who may not look at apps. */
    readonly url: string | null;
    readonly scope: string;
    readonly createdAt: string;
  }[];
  readonly events: {
    readonly entries: readonly {
      readonly id: string;
      readonly at: string;
      readonly action: string;
      readonly actorKind: string;
      /** Null for who has no page. */
      readonly actorUrl: string | null;
      readonly result: 'success' | 'failure';
      readonly reason: string | null;
      readonly note: string | null;
      readonly network: string | null;
    }[];
    /** The same among all events, where they can be filtered. */
    readonly auditUrl: string;
    readonly nextUrl: string | null;
  };
  readonly roles: readonly {
    readonly id: string;
    readonly name: string;
    readonly rank: number;
    readonly audience: string | null;
    /** Null for what this administrator may not take away. */
    readonly takeUrl: string | null;
  }[];
}

/** Of the page `admin-account`. */
export interface AdminAccountModel {
  readonly id: string;
  readonly url: string;
  /** What it is known by. */
  readonly name: string;
  readonly status: string;
  readonly zone: string | null;
  readonly isOwn: boolean;
  /** Nothing can be done to it by this administrator. */
  readonly isAbove: boolean;
  readonly section: keyof AdminAccountSections;
  readonly sections: readonly { readonly section: keyof AdminAccountSections; readonly url: string }[];
  /** Of the section. */
  readonly actions: readonly { readonly act: string; readonly url: string }[];
  /** What has just been done; null for nothing. */
  readonly done: string | null;
  readonly shown: Partial<AdminAccountSections>;
}

/** Of the page `admin-accounts-bulk`. */
export interface AdminAccountsBulkModel {
  /** What is asked, what happens at this moment, what became of it; or nothing was ticked. */
  readonly stage: 'nothing' | 'question' | 'begun' | 'done';
  readonly act: string;
  readonly url: string;
  readonly backUrl: string;
  readonly accounts: readonly {
    readonly id: string;
    readonly url: string;
    /** What it is known by. */
    readonly name: string;
    /** Why it was left as it is. */
    readonly refusal: string | null;
  }[];
  readonly mostReason: number;
  readonly reason: string;
  readonly errors: FormProblems;
}

/** Of the page `admin-account-action`. */
export interface AdminAccountActionModel {
  /** What the account is known by. */
  readonly name: string;
  readonly act: string;
  readonly url: string;
  readonly backUrl: string;
  readonly hasEmail: boolean;
  /** For what is about one. */
  readonly session: Pick<AdminSessionModel, 'name' | 'browser' | 'system' | 'address'> | null;
  /** To choose from, for what is about a role. */
  readonly roles: readonly RoleModel[] | null;
  readonly mostReason: number;
  readonly form: {
    readonly reason: string;
    readonly role: string;
    readonly name: string;
    readonly givenName: string;
    readonly familyName: string;
  };
  readonly errors: FormProblems;
}

/** What an audit event names: an account, a client or something else. */
interface AuditPartyModel {
  readonly kind: string;
  readonly id: string | null;
  /** What it is known by, where that is known. */
  readonly name: string | null;
  /** Its page, where there is one that may be seen. */
  readonly url: string | null;
}

/** Of the page `admin-audit`. */
export interface AdminAuditModel {
  /** As it was typed. */
  readonly filter: {
    readonly who: string;
    readonly action: string;
    readonly target: string;
    readonly result: string;
    readonly network: string;
    readonly client: string;
    readonly from: string;
    readonly to: string;
  };
  /** To choose from; one that ends in a dot stands for all that begin so. */
  readonly actions: readonly string[];
  readonly events: readonly {
    readonly id: string;
    readonly happenedAt: string;
    readonly who: AuditPartyModel;
    readonly action: string;
    readonly target: AuditPartyModel | null;
    readonly result: 'success' | 'failure';
    readonly reason: string | null;
    /** What an administrator gave as reason. */
    readonly note: string | null;
    readonly network: string | null;
    readonly browser: string | null;
    readonly system: string | null;
    readonly userAgent: string | null;
    readonly client: AuditPartyModel | null;
    readonly requestId: string | null;
  }[];
  readonly zone: string | null;
  /** Back to the first page. */
  readonly newestUrl: string | null;
  readonly nextUrl: string | null;
  readonly canExport: boolean;
  readonly errors: FormProblems;
}

/** Of the page `admin-overview`. */
export interface AdminOverviewModel {
  /** That are shown. */
  readonly days: number;
  readonly choices: readonly number[];
  readonly series: readonly {
    readonly kind: 'sign-ins' | 'failures' | 'accounts' | 'sessions';
    /** Of all days; of sessions, which live on from day to day, those of now. */
    readonly total: number;
    readonly most: number;
    /** The oldest first; null where it was not counted. */
    readonly counts: readonly (number | null)[];
  }[];
  /** The newest first. */
  readonly rows: readonly { readonly day: string; readonly counts: readonly (number | null)[] }[];
  readonly health: readonly {
    readonly part: 'database' | 'redis' | 'mail' | 'bot' | 'upstream';
    readonly isWell: boolean;
    /** Of an upstream. */
    readonly label: string | null;
  }[];
  readonly mail: { readonly queued: number; readonly minutes: number; readonly lost: number };
  readonly keys: readonly {
    readonly algorithm: string;
    /** The beginning of it. */
    readonly kid: string;
    readonly activeAt: string;
    readonly days: number;
  }[];
  /** Null when everything is done, or for who may not see settings. */
  readonly steps:
    | readonly {
        readonly step: 'https' | 'mail' | 'administrator' | 'passkey' | 'client';
        readonly isDone: boolean;
        readonly url: string | null;
      }[]
    | null;
  readonly zone: string | null;
  readonly errors: FormProblems;
}

/** Of the page `admin-settings`. */
export interface AdminSettingsModel {
  /** In the words of the guides, which are English. */
  readonly sections: readonly {
    readonly title: string;
    readonly settings: readonly {
      readonly name: string;
      /** Secrets are masked; empty where nothing is set. */
      readonly value: string;
      readonly from: 'default' | 'environment' | 'file' | 'yaml' | 'generated';
      readonly meaning: string;
    }[];
  }[];
  readonly canWrite: boolean;
  /** The own address, for a test; null without one. */
  readonly testAddress: string | null;
  /** The code with which a mail server refused the last mail to it for good. */
  readonly refusal: string | null;
  /** Null where there is no bot. */
  readonly bot: { readonly isLinked: boolean } | null;
  /** What was just done. */
  readonly done: 'mail' | 'telegram' | null;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** Of the page about the looks of the product, which belongs to `admin-settings`. */
export interface AdminBrandModel {
  readonly name: string;
  /** As it was typed; empty for our own. */
  readonly accent: string;
  /** The settings say it. */
  readonly isNameFixed: boolean;
  readonly isAccentFixed: boolean;
  readonly canWrite: boolean;
  readonly logoUrl: string | null;
  /** Of the colour that is tried. */
  readonly styleUrl: string | null;
  /** What the colour came to, and its contrast with the page. */
  readonly contrasts: {
    readonly light: string;
    readonly lightRatio: number;
    readonly dark: string;
    readonly darkRatio: number;
    readonly isCorrected: boolean;
  } | null;
  readonly isSaved: boolean;
  readonly errors: FormProblems;
}

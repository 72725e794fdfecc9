// What each page is given: plain data and nothing else, because a template drops getters and methods of a class. One interface for each
// page below views/pages, named after it.

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

/** Of the pages `login` and `reauthenticate`. */
export interface LoginModel {
  readonly client: ClientModel | null;
  readonly action: string;
  /** Fills the sign-in name in. */
  readonly login: string;
  /** The account is known and only proves itself again. */
  readonly loginReadonly: boolean;
  /** Why it is asked again. */
  readonly reason?: 'reauthenticate' | 'max-age';
  /** Null when the box is not offered. */
  readonly remember: boolean | null;
  readonly rememberDays: number;
  readonly methods: { readonly password: boolean; readonly mailCode: boolean; readonly passkey: boolean };
  readonly upstreams: readonly UpstreamModel[];
  /** Where the button of an upstream posts its id as `upstream`; the page's own action when it is not given. */
  readonly upstreamAction?: string;
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
  /** Sentences: exactly what the server checks. */
  readonly rules: readonly string[];
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
  readonly otherWayUrl: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

export interface RegisterModel {
  readonly client: ClientModel | null;
  readonly action: string;
  readonly signInUrl: string;
  readonly email: string;
  readonly name: string;
  readonly minLength: number;
  /** Sentences. */
  readonly rules: readonly string[];
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

export interface ResetModel {
  readonly action: string;
  readonly login: string;
  /** The sign-in to go on with afterwards. */
  readonly interaction: string | null;
  readonly backUrl: string;
  /** The mail is on its way, or so we say. */
  readonly sent?: { readonly address: string | null; readonly minutes: number };
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** Of the page `reset-confirm`. */
export interface NewPasswordModel {
  readonly action: string;
  readonly minLength: number;
  /** Sentences. */
  readonly rules: readonly string[];
  readonly done: boolean;
  readonly backUrl: string;
  readonly errors: FormProblems;
}

/** Of the page `link-confirm`. */
export interface LinkModel {
  readonly purpose: 'sign-in' | 'verify-email';
  /** Null in a browser in which the link does nothing. */
  readonly action: string | null;
  /** Carried by the form, where its address does not. */
  readonly token: string | null;
  readonly isDone: boolean;
}

export interface NotMeModel {
  readonly action: string;
  readonly isDone: boolean;
}

export interface SecondFactorModel {
  readonly client: ClientModel | null;
  readonly action: string;
  readonly method: 'totp' | 'recovery-code';
  readonly others: readonly { readonly method: 'totp' | 'recovery-code'; readonly url: string }[];
  /** Posted by "not you?". */
  readonly switchAction: string;
  /** Seconds. */
  readonly retryAfter?: number;
  readonly errors: FormProblems;
}

/** Of the page `account-security`. */
export interface SecurityModel {
  readonly stage: 'overview' | 'password' | 'authenticator' | 'codes';
  readonly hasPassword: boolean;
  readonly hasAuthenticator: boolean;
  /** Left. */
  readonly recoveryCodes: number;
  /** Independent ways to sign in. */
  readonly waysIn: number;
  readonly minLength: number;
  /** Sentences. */
  readonly rules: readonly string[];
  /** `qr` is an SVG of our own. */
  readonly authenticator: { readonly secret: string; readonly qr: string } | null;
  /** In clear, this once. */
  readonly newCodes: readonly string[] | null;
  readonly errors: FormProblems;
}

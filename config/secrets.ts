// The secret half of the settings. It can be read field by field and in no other way: printed, serialised, logged or
// spread it shows nothing.
import { inspect } from 'node:util';
import type { DeclaredSecrets } from './declarations.ts';

export interface SecretValues extends DeclaredSecrets {
  /** Undefined with the embedded database: it is then generated in the data folder, see generated-secret.ts. */
  readonly masterSecret: string | undefined;
  readonly previousSecret: string | undefined;
  readonly databaseUrl: string | undefined;
  /**
   * Empty without Redis; for Sentinel one that names all of them
   * (`redis+sentinel://user:password@host:port,host:port/master/database`).
   */
  readonly redisUrls: readonly string[];
  readonly smtpUrl: string | undefined;
  readonly smtpFallbackUrl: string | undefined;
  readonly pepper: string | undefined;
}

const MASK = '[secrets]';

/** A class with a private field, so that a copy by spreading, which would be printable, is not of this type. */
export class Secrets implements SecretValues {
  readonly #values: SecretValues;

  constructor(values: SecretValues) {
    this.#values = values;
    Object.freeze(this);
  }

  get masterSecret(): string | undefined {
    return this.#values.masterSecret;
  }

  get previousSecret(): string | undefined {
    return this.#values.previousSecret;
  }

  get databaseUrl(): string | undefined {
    return this.#values.databaseUrl;
  }

  get redisUrls(): readonly string[] {
    return this.#values.redisUrls;
  }

  get smtpUrl(): string | undefined {
    return this.#values.smtpUrl;
  }

  get smtpFallbackUrl(): string | undefined {
    return this.#values.smtpFallbackUrl;
  }

  get pepper(): string | undefined {
    return this.#values.pepper;
  }

  get clientSecrets(): Readonly<Record<string, string>> {
    return this.#values.clientSecrets;
  }

  get upstreamSecrets(): Readonly<Record<string, string>> {
    return this.#values.upstreamSecrets;
  }

  get telegramBotToken(): string | undefined {
    return this.#values.telegramBotToken;
  }

  get telegramGatewayToken(): string | undefined {
    return this.#values.telegramGatewayToken;
  }

  get telegramProxy(): string | undefined {
    return this.#values.telegramProxy;
  }

  toString(): string {
    return MASK;
  }

  toJSON(): string {
    return MASK;
  }

  [inspect.custom](): string {
    return MASK;
  }
}

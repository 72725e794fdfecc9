// Mails as files, for trying things out on one machine: each becomes `<data folder>/mail/<time>-<random>.eml`, which any mail program opens.
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createTransport } from 'nodemailer';
import { randomToken } from '../crypto/random.ts';
import type { Log } from '../log.ts';
import { composition, type MailTransport, type OutgoingMail, SendError } from './mail-transport.ts';

export class FileTransport implements MailTransport {
  readonly name = 'file';
  readonly #folder: string;
  readonly #log: Log;
  readonly #composer = createTransport({
    streamTransport: true,
    buffer: true,
    newline: 'unix',
    disableFileAccess: true,
    disableUrlAccess: true,
  });

  constructor(parts: { readonly dataDir: string; readonly log: Log }) {
    this.#folder = join(parts.dataDir, 'mail');
    this.#log = parts.log;
  }

  async send(mail: OutgoingMail): Promise<string | null> {
    const name = `${new Date().toISOString().replace(/[-:]/g, '')}-${randomToken(6)}.eml`;
    const file = join(this.#folder, name);
    try {
      const { message } = await this.#composer.sendMail(composition(mail));
      await mkdir(this.#folder, { recursive: true, mode: 0o700 });
      // Whoever watches the folder must not see half a mail.
      const unfinished = join(this.#folder, `.${name}`);
      await writeFile(unfinished, message, { mode: 0o600, flag: 'wx' });
      await rename(unfinished, file);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      throw new SendError('unreachable', code ?? 'file', error);
    }
    this.#log.info({ subject: mail.loggedSubject, file }, 'wrote a mail to a file');
    return name;
  }

  close(): void {
    this.#composer.close();
  }
}

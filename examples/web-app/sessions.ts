// Who is signed in at this app, by the cookie of the browser. Each session remembers the one at the provider that it came from (`sid`), so that it
// can be ended from there. In memory here; a real app keeps them in a store that all of its processes share.
import { randomBytes } from 'node:crypto';

export interface Session {
  /** Between the way to the provider and the way back. */
  pending?: { readonly verifier: string; readonly state: string; readonly nonce: string };
  person?: { readonly sub: string; readonly sid: string; readonly name: string; readonly idToken: string };
}

export class Sessions {
  readonly #byId = new Map<string, Session>();

  find(id: string | undefined): Session | undefined {
    return id === undefined ? undefined : this.#byId.get(id);
  }

  /** With a new id, which nobody can have planted in the browser before the sign-in. */
  start(session: Session): string {
    const id = randomBytes(32).toString('base64url');
    this.#byId.set(id, session);
    return id;
  }

  end(id: string | undefined): void {
    if (id !== undefined) this.#byId.delete(id);
  }

  /** One session of a person, or all where only the person is named. @returns how many */
  endFromProvider({ sid, sub }: { readonly sid?: string | undefined; readonly sub?: string | undefined }): number {
    let count = 0;
    for (const [id, { person }] of this.#byId) {
      if (!person || (sid === undefined ? person.sub !== sub : person.sid !== sid)) continue;
      this.#byId.delete(id);
      count += 1;
    }
    return count;
  }
}

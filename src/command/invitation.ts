// `invitation`: asking people to create an account. The link goes by mail and nowhere else: whoever reads it here could use it in their place.
import type { Command } from 'commander';
import type { Invitation } from '../access/invitation.entity.ts';
import { invitationState } from '../access/invitations.ts';
import { parseEmail } from '../account/sign-in-name.ts';
import type { App } from '../app.ts';
import { InvalidRequest } from '../errors.ts';
import { type Choose, group, leaf, onStorage } from './leaf.ts';
import { parseLocale } from './locale.ts';
import { CLI, type Outcome } from './task.ts';
import { fields, plain, table } from './text.ts';

interface CreateOptions {
  readonly email: string;
  readonly role: readonly string[];
  readonly organization?: string;
  readonly locale: string;
}

const BY = { kind: 'cli' } as const;
const ID = ['<id>', 'id of the invitation'] as const;

export function invitationCommands(program: Command, choose: Choose): void {
  const invitation = group(program, 'invitation', 'people who are asked to create an account');
  leaf(invitation, 'create', 'invite an address; an open invitation for it ends')
    .requiredOption('--email <address>', 'e-mail address of the new account')
    .option(
      '--role <role>',
      'role of the account; may be repeated',
      (one: string, all: readonly string[]) => [...all, one],
      [],
    )
    .option('--organization <id>', 'organization of the account')
    .option('--locale <tag>', 'language of the mail', parseLocale, 'en')
    .action((options: CreateOptions, command: Command) =>
      choose(
        onStorage((app) => create(app, options)),
        command,
      ),
    );
  leaf(invitation, 'list', 'list the newest invitations').action((_options: object, command: Command) =>
    choose(onStorage(list), command),
  );
  const onInvitation = (
    name: string,
    description: string,
    run: (app: App, id: string) => Promise<Invitation>,
  ): void => {
    leaf(invitation, name, description)
      .argument(...ID)
      .action((id: string, _options: object, command: Command) =>
        choose(
          onStorage(async (app) => shown(await run(app, id))),
          command,
        ),
      );
  };
  onInvitation('revoke', 'end an invitation that was not used yet', async (app, id) => {
    await app.invitations.revoke(id, BY, CLI);
    return app.invitations.get(id);
  });
  onInvitation('resend', 'send the mail again, with a new link', (app, id) => app.invitations.resend(id, BY, CLI));
}

async function create(app: App, options: CreateOptions): Promise<Outcome> {
  const email = parseEmail(options.email);
  if (email === null) throw new InvalidRequest('This is not an e-mail address.', { code: 'invalid-email' });
  const { role: roles, organization: organizationId, locale } = options;
  return shown(await app.invitations.create({ email, roles, organizationId, locale }, BY, CLI));
}

async function list(app: App): Promise<Outcome> {
  const invitations = (await app.invitations.list()).map(view);
  const lines = invitations.map((one) => [one.id, one.state, one.email, one.roles.join(', '), one.expiresAt]);
  return { json: { invitations }, text: table(['id', 'state', 'email', 'roles', 'expires'], lines) };
}

function shown(invitation: Invitation): Outcome {
  const json = view(invitation);
  return { json, text: fields({ ...json, roles: json.roles.join(', ') }) };
}

function view(invitation: Invitation) {
  return {
    id: invitation.id,
    state: invitationState(invitation),
    email: plain(invitation.email),
    roles: [...invitation.roles],
    organization: invitation.organizationId ?? null,
    createdAt: invitation.createdAt.toISOString(),
    expiresAt: invitation.expiresAt.toISOString(),
    accountId: invitation.accountId ?? null,
  };
}

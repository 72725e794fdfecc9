// The relying party of `npm run demo` in a container of its own, for the Compose profile "demo". The provider knows it from demo.yaml, and both
// read its secret from the same file.
import { readFileSync } from 'node:fs';
import { startRelyingParty } from '../demo/relying-party.ts';

const { DEMO_ISSUER = 'http://localhost:3000', DEMO_PORT = '3002', DEMO_HOST = '0.0.0.0' } = process.env;
const secretFile = process.env['DEMO_CLIENT_SECRET_FILE'] ?? '/run/secrets/demo_client_secret';
const origin = `http://localhost:${DEMO_PORT}`;

const relyingParty = await startRelyingParty({
  issuer: DEMO_ISSUER,
  origin,
  host: DEMO_HOST,
  port: Number(DEMO_PORT),
  clientId: 'demo',
  clientSecret: readFileSync(secretFile, 'utf8').trimEnd(),
});
process.stdout.write(`The demo is ready: ${origin}\n`);
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => relyingParty.stop());

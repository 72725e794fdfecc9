// The pages of the account portal about apps and about what happened.
import type { AppsModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const album: AppsModel['apps'][number] = {
  id: 'album',
  name: 'Photo Album',
  host: 'album.example.com',
  logoUri: null,
  scopes: [
    { name: 'profile', group: 'see', isNew: false },
    { name: 'email', group: 'see', isNew: false },
    { name: 'offline_access', group: 'do', isNew: false },
    { name: 'photos:write', group: 'do', isNew: false, label: 'add and delete photos', detail: 'Photo storage' },
  ],
  isOffline: true,
  isOurs: false,
  firstUsedAt: '2026-03-02T08:00:00.000Z',
  lastUsedAt: '2026-11-21T09:30:00.000Z',
};
const intranet: AppsModel['apps'][number] = {
  ...album,
  id: 'intranet',
  name: 'Intranet',
  host: '',
  scopes: [],
  isOffline: false,
  isOurs: true,
};
const apps: AppsModel = { apps: [album, intranet], zone: 'Europe/Berlin', done: false };

export const accountSamples: readonly Sample[] = [
  { name: 'account-apps', page: 'account-apps', isSignedIn: true, model: apps },
  { name: 'account-apps-none', page: 'account-apps', isSignedIn: true, model: { ...apps, apps: [], done: true } },
];

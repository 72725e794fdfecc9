// The pages of the account portal about apps and about what happened.

import type { ActivityModel, AppsModel, DataModel, DeleteModel, LinkModel } from '../../src/http/page-model.ts';
import { ACTIVITY } from '../../src/portal/activity.ts';
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

const signIn: ActivityModel['events'][number] = {
  id: '12',
  what: 'session-start',
  isFailure: false,
  at: '2026-11-21T09:30:00.000Z',
  isOther: false,
  address: '203.0.113.7',
  browser: 'Safari',
  system: 'iPhone',
  app: 'Photo Album',
};
const nowhere = { address: null, browser: null, system: null, app: null };
const activity: ActivityModel = {
  events: [
    signIn,
    { ...signIn, id: '11', isFailure: true, system: null },
    { ...signIn, ...nowhere, id: '10', what: 'account-enable', isOther: true },
  ],
  kinds: Object.keys(ACTIVITY),
  kind: '',
  app: null,
  nextUrl: '/account/activity?before=10',
  isFirst: true,
  zone: 'Europe/Berlin',
};
const ofApp: ActivityModel = {
  ...activity,
  events: [],
  kind: 'apps',
  app: { id: 'album', name: 'Photo Album' },
  nextUrl: null,
  isFirst: false,
};

const data: DataModel = { stage: 'overview', days: 14 };
const deletion: DeleteModel = {
  isDone: false,
  days: 14,
  purgeAt: null,
  hasMail: true,
  zone: 'Europe/Berlin',
  errors: { fields: {} },
};
const restore: LinkModel = { purpose: 'deletion-undo', action: '/account-restore/abc', token: null, isDone: false };

export const accountSamples: readonly Sample[] = [
  { name: 'account-apps', page: 'account-apps', isSignedIn: true, model: apps },
  { name: 'account-apps-none', page: 'account-apps', isSignedIn: true, model: { ...apps, apps: [], done: true } },
  { name: 'account-data', page: 'account-data', isSignedIn: true, model: data },
  {
    name: 'account-data-export',
    page: 'account-data',
    isSignedIn: true,
    model: { ...data, stage: 'export' } satisfies DataModel,
  },
  { name: 'account-delete', page: 'account-delete', isSignedIn: true, model: deletion },
  {
    name: 'account-delete-last-owner',
    page: 'account-delete',
    isSignedIn: true,
    model: { ...deletion, hasMail: false, errors: { summary: 'delete.problem.last_owner', fields: {} } },
  },
  {
    name: 'account-delete-done',
    page: 'account-delete',
    isSignedIn: true,
    model: { ...deletion, isDone: true, purgeAt: '2026-12-05T09:30:00.000Z' },
  },
  { name: 'link-confirm-restore', page: 'link-confirm', model: restore },
  { name: 'link-confirm-restored', page: 'link-confirm', model: { ...restore, action: null, isDone: true } },
  { name: 'account-activity', page: 'account-activity', isSignedIn: true, model: activity },
  { name: 'account-activity-app', page: 'account-activity', isSignedIn: true, model: ofApp },
];

// A model for each state of the page about the looks of the product.
import type { AdminBrandModel } from '../../src/http/page-model.ts';
import type { Sample } from './sample.ts';

const model: AdminBrandModel = {
  name: 'Difference Engine',
  accent: '#ffb000',
  isNameFixed: false,
  isAccentFixed: false,
  canWrite: true,
  logoUrl: '/assets/logo.abcdefghijklmnop.png',
  styleUrl: '/assets/accent-preview.1-ffb000.css',
  contrasts: { light: '#8f6300', lightRatio: 5.4, dark: '#ffb000', darkRatio: 9.2, isCorrected: true },
  isSaved: true,
  errors: { fields: {} },
};

const sample = (name: string, own: AdminBrandModel): Sample => ({
  ...{ name, page: 'admin-brand', model: own },
  isSignedIn: true,
  isAdmin: true,
});

export const adminBrandSamples: readonly Sample[] = [
  sample('admin-brand', model),
  sample('admin-brand-fixed', {
    ...model,
    ...{ isNameFixed: true, isAccentFixed: true, canWrite: false, logoUrl: null, isSaved: false },
    contrasts: { light: '#0b6857', lightRatio: 6.7, dark: '#6bd6ba', darkRatio: 9.9, isCorrected: false },
  }),
  sample('admin-brand-problems', {
    ...model,
    ...{ name: 'x', accent: 'green', logoUrl: null, styleUrl: null, contrasts: null, isSaved: false },
    errors: {
      summary: 'form.problem',
      fields: {
        name: 'admin_brand.problem.name',
        accent: 'admin_brand.problem.accent',
        logo: 'admin_brand.problem.logo_kind',
      },
    },
  }),
];

// One state of one page, for the preview and for the tests of views and pages.
import type { FindPlace } from '../../src/http/place.ts';

/** Samples have addresses that nobody has; one kind of them is somewhere. */
export const findSamplePlace: FindPlace = (network) => (network?.startsWith('2001:db8:') ? 'Hamburg, Germany' : null);

export interface Sample {
  readonly name: string;
  readonly page: string;
  readonly model: object;
  /** Whether the page is about somebody who is signed in. */
  readonly isSignedIn?: boolean;
  /** Whether it stands in the admin portal, between the links of somebody who may do everything. */
  readonly isAdmin?: boolean;
}

// One state of one page, for the preview and for the tests of views and pages.

export interface Sample {
  readonly name: string;
  readonly page: string;
  readonly model: object;
  /** Whether the page is about somebody who is signed in. */
  readonly isSignedIn?: boolean;
  /** Whether it stands in the admin portal, between the links of somebody who may do everything. */
  readonly isAdmin?: boolean;
}

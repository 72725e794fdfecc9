// Which usernames a person cannot tell apart. Letters outside of ASCII are refused before (sign-in-name.ts), so no look-alike of another script
// can come in, and NFKC would change nothing; what is left are the few pairs within letters, digits and underscore (Unicode TS 39, confusables).

/** Usernames with the same skeleton look alike: `Ada_1`, `ada_l`, `ADA__I`. The migration that filled in the first ones does the same in SQL. */
export function usernameSkeleton(username: string): string {
  const plain = username.toLowerCase().replace(/_+/g, '_').replace(/^_|_$/g, '') || '_';
  return plain.replaceAll('0', 'o').replaceAll(/[1i]/g, 'l').replaceAll('rn', 'm').replaceAll('vv', 'w');
}

// In the frame of a silent sign-in: hands the answer to the page around it.
/* global oidc */
void new oidc.UserManager({ authority: '', client_id: '', redirect_uri: '' }).signinSilentCallback();

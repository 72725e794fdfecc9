// The engine builds errors before it knows whether it needs them (three for each userinfo request that succeeds), and a fifth of such a request
// went into their stack traces. Errors of the protocol are told apart by what they say; nobody reads their trace.
import { errors } from 'oidc-provider';

/** Errors that are made while no frame may be walked. */
class Traceless extends Error {
  constructor(message?: string, options?: ErrorOptions) {
    const limit = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(message, options);
    Error.stackTraceLimit = limit;
  }
}

/** Leaves the traces of all other errors as they are. Once for each process. */
export function stopTracingProtocolErrors(): void {
  const { OIDCProviderError } = errors;
  if (Object.getPrototypeOf(OIDCProviderError) === Traceless) return;
  // `super` looks its class up at each call; the prototypes of the instances stay what they were.
  Object.setPrototypeOf(OIDCProviderError, Traceless);
  const { captureStackTrace } = Error;
  Error.captureStackTrace = (target, above) => {
    if (!(target instanceof OIDCProviderError)) captureStackTrace(target, above);
  };
}

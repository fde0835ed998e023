// Why a call failed, decoded from the gRPC status and the typed details in it.
import grpc from '@grpc/grpc-js';
import { definition } from './gateway.js';

export class CallFailure {
  code = 'UNKNOWN';
  // The gateway's line for people.
  message = '';
  // google.rpc.ErrorInfo: stable and UPPER_SNAKE ("ATTEMPTS_EXHAUSTED"); '' where the
  // status did not come from a gateway (nobody listens, a proxy answered).
  reason = '';
  metadata = {};
  // google.rpc.RetryInfo, in seconds: when it is worth trying again.
  retry_after = undefined;
  // What was tried, oldest first, and how many did not fit in the status.
  attempts = [];
  omitted_attempts = 0;

  // The gateway said this, and not what is on the way to it.
  get from_gateway() {
    return this.reason !== '';
  }

  toString() {
    return `${this.code}: ${this.message || 'no reason given'}`;
  }
}

// Of a call that failed. Details that cannot be read are left out; code and message always stand.
export function decodeError(error) {
  const failure = new CallFailure();
  failure.code = grpc.status[error.code] ?? 'UNKNOWN';
  failure.message = error.details || error.message || '';
  for (const { type_url, value } of detailsOf(error)) {
    const type = type_url.slice(type_url.lastIndexOf('/') + 1);
    const detail = type in READERS ? decoded(type, value) : null;
    if (detail) READERS[type](detail, failure);
  }
  return failure;
}

const READERS = {
  'google.rpc.ErrorInfo': (info, failure) => Object.assign(failure, { reason: info.reason, metadata: info.metadata }),
  'google.rpc.RetryInfo': ({ retry_delay }, failure) => {
    if (retry_delay) failure.retry_after = Number(retry_delay.seconds) + retry_delay.nanos / 1e9;
  },
  'sluice.v1.AttemptList': (list, failure) =>
    Object.assign(failure, { attempts: list.attempts, omitted_attempts: list.omitted }),
};

function detailsOf(error) {
  const [bytes] = error.metadata?.get('grpc-status-details-bin') ?? [];
  return (bytes && decoded('google.rpc.Status', bytes)?.details) ?? [];
}

// Null for what is no such message.
function decoded(type, bytes) {
  try {
    return definition[type].deserialize(bytes);
  } catch {
    return null;
  }
}

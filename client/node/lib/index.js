export { Collector } from './collector.js';
export { CallFailure, decodeError } from './failure.js';
export { connect } from './gateway.js';

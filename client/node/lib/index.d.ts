import type { CallOptions, ChannelOptions, Client, ClientReadableStream, ClientUnaryCall, Metadata, ServiceError } from '@grpc/grpc-js';
import type {
  Attempt,
  ChatEvent,
  ChatRequest,
  ChatResponse,
  EmbedRequest,
  EmbedResponse,
  ListModelsRequest,
  ListModelsResponse,
  Message,
  StreamChatResponse,
} from './gateway.js';

export * from './gateway.js';

/** A message as it may be sent: what is left out is not set, and an answer's message can be sent as it is. */
export type Input<T> = T extends Uint8Array
  ? Uint8Array | string
  : T extends (infer Each)[]
    ? Input<Each>[]
    : T extends object
      ? { [Key in keyof T]?: Input<T[Key]> }
      : T;

type Done<Response> = (error: ServiceError | null, response: Response) => void;

interface Unary<Request, Response> {
  (request: Input<Request>, done: Done<Response>): ClientUnaryCall;
  (request: Input<Request>, options: CallOptions, done: Done<Response>): ClientUnaryCall;
  (request: Input<Request>, metadata: Metadata, options: CallOptions, done: Done<Response>): ClientUnaryCall;
}

/** The stub. */
export interface Gateway extends Client {
  Chat: Unary<ChatRequest, ChatResponse>;
  StreamChat(request: Input<ChatRequest>, options?: CallOptions): ClientReadableStream<StreamChatResponse>;
  StreamChat(request: Input<ChatRequest>, metadata: Metadata, options?: CallOptions): ClientReadableStream<StreamChatResponse>;
  Embed: Unary<EmbedRequest, EmbedResponse>;
  ListModels: Unary<ListModelsRequest, ListModelsResponse>;
}

export interface ConnectOptions {
  /** Implied by any of the three below. */
  tls?: boolean;
  /** PEM: whom to trust in place of Node's own list. */
  ca?: string | Uint8Array;
  /** PEM: who the caller is. */
  cert?: string | Uint8Array;
  key?: string | Uint8Array;
  /** gRPC's own. */
  options?: ChannelOptions;
}

/** A stub for "host:port". */
export function connect(address: string, options?: ConnectOptions): Gateway;

/** Events of a stream → the ChatResponse that a unary Chat would have given. One per call. */
export class Collector {
  /**
   * The events of a call, each collected before it is given. Who leaves the loop early cancels the call; a loop over
   * the call itself would not tell the gateway.
   */
  read(call: AsyncIterable<StreamChatResponse> | Iterable<StreamChatResponse>): AsyncGenerator<ChatEvent, void>;
  /** Throws where the event cannot belong to this answer. Kinds that are not known are ignored. */
  add(event: ChatEvent): void;
  /**
   * The end came and says COMPLETE or FALLBACK. Only with the status OK as well, so where the call threw nothing, is
   * the answer whole.
   */
  get complete(): boolean;
  /** What is there so far, in the very form that Chat gives; choices in order of index. */
  response(): ChatResponse;
  /** The answer, to be appended to the next request's messages: nothing that the provider wants back is lost. */
  message(choice?: number): Message;
  /** The text of one answer so far, its text parts joined. */
  text(choice?: number): string;
}

export class CallFailure {
  /** gRPC's name of the status: "UNAVAILABLE". */
  code: string;
  /** The gateway's line for people. */
  message: string;
  /**
   * google.rpc.ErrorInfo: stable and UPPER_SNAKE ("ATTEMPTS_EXHAUSTED"); '' where the status did not come from a
   * gateway (nobody listens, a proxy answered).
   */
  reason: string;
  metadata: Record<string, string>;
  /** google.rpc.RetryInfo, in seconds: when it is worth trying again. */
  retry_after?: number;
  /** What was tried, oldest first. */
  attempts: Attempt[];
  /** How many attempts did not fit in the status. */
  omitted_attempts: number;
  /** The gateway said this, and not what is on the way to it. */
  get from_gateway(): boolean;
  toString(): string;
}

/** Of a call that failed. Details that cannot be read are left out; code and message always stand. */
export function decodeError(error: unknown): CallFailure;

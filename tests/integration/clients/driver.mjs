// Does with the installed Node.js package what a test says; as driver.py:
//   driver.mjs call     calls, and tells each piece of text, then what was collected
//   driver.mjs cases    collects each case's events
import { readFileSync } from 'node:fs';
import readline from 'node:readline';
import { promisify } from 'node:util';
import { Collector, connect, decodeError } from 'sluice-client';

const tell = (line) => console.log(JSON.stringify(line));

async function main() {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const job = JSON.parse(line);
    if (process.argv[2] === 'cases') cases(job);
    else await calls(job);
  }
}

function client(job) {
  const pem = {};
  for (const name of ['ca', 'cert', 'key']) if (job[name]) pem[name] = readFileSync(job[name]);
  return connect(process.env.SLUICE_SERVER, pem);
}

const encodedBy = (gateway) => (response) =>
  gateway.constructor.service.Chat.responseSerialize(response).toString('base64');

function failureOf(error) {
  const failure = decodeError(error);
  const { code, message, reason, metadata, retry_after = null, omitted_attempts: omitted, from_gateway } = failure;
  const attempts = failure.attempts.map(({ error_message }) => error_message);
  return { code, message, reason, metadata, retry_after, attempts, omitted, from_gateway, line: `${failure}` };
}

async function calls(job) {
  const gateway = client(job);
  const encoded = encodedBy(gateway);
  const request = gateway.constructor.service.Chat.requestDeserialize(Buffer.from(job.request, 'base64'));
  for (const question of [...(job.next ?? []), null]) {
    const answer = new Collector();
    let failure = null;
    try {
      await call(gateway, encoded, request, answer, job);
    } catch (error) {
      failure = failureOf(error);
    }
    tell({ response: encoded(answer.response()), complete: answer.complete, text: answer.text(), failure });
    request.messages.push(answer.message(), { role: 'ROLE_USER', text: question ?? '' });
  }
  gateway.close();
}

async function call(gateway, encoded, request, answer, job) {
  const options = () => ({ deadline: Date.now() + job.timeout * 1000 });
  if (job.unary) tell({ unary: encoded(await promisify(gateway.Chat.bind(gateway))(request, options())) });
  const stream = gateway.StreamChat(request, options());
  let seen = 0;
  for await (const event of answer.read(stream)) {
    if (event.kind !== 'content') continue;
    tell({ content: event.content.text });
    seen += 1;
    if (seen === job.cancel_after) stream.cancel();
    if (seen === job.leave_after) break;
  }
}

function cases(table) {
  const gateway = connect('127.0.0.1:1');
  const { StreamChat } = gateway.constructor.service;
  for (const { name, events } of table) {
    const collector = new Collector();
    let refused = null;
    // As they come from the wire: whole, and with what a newer gateway may add.
    const { events: whole } = StreamChat.responseDeserialize(StreamChat.responseSerialize({ events }));
    whole.forEach((event, index) => {
      try {
        collector.add(event);
      } catch {
        refused = index;
      }
    });
    tell({ name, response: encodedBy(gateway)(collector.response()), complete: collector.complete, refused });
  }
  gateway.close();
}

await main();

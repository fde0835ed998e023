// Speaks TLS: SLUICE_CA=ca.pem node tls.mjs [QUESTION]
import { readFile } from 'node:fs/promises';
import grpc from '@grpc/grpc-js';
import { collect } from './collector.mjs';
import { Gateway, ask, deadline, printEnd, question, run, server, show } from './common.mjs';

await run(async () => {
  // Without SLUICE_CA the roots that come with Node.js.
  const roots = process.env.SLUICE_CA ? await readFile(process.env.SLUICE_CA) : null;
  const client = new Gateway(server, grpc.credentials.createSsl(roots));
  try {
    const answer = await collect(client.StreamChat(ask(question()), { deadline: deadline() }), show);
    console.log();
    printEnd(answer.end, answer.text());
  } finally {
    client.close();
  }
});

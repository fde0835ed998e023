// node statuses.mjs ADDRESS PROTO: every status that comes decodes, and its details
// say the same as the status itself.
import assert from 'node:assert/strict';
import grpc from '@grpc/grpc-js';
import protoLoader from '@grpc/proto-loader';
import protobuf from 'protobufjs';

const [address, protos] = process.argv.slice(2);
const options = { includeDirs: [protos], keepCase: true, enums: String, defaults: true };
const loaded = protoLoader.loadSync('sluice/v1/gateway.proto', options);
const { Gateway } = grpc.loadPackageDefinition(loaded).sluice.v1;
const client = new Gateway(address, grpc.credentials.createInsecure());

function chat(text, attempts) {
  return new Promise((resolve, reject) => {
    const request = { model: 'm', messages: [{ role: 'ROLE_USER', text }], n: attempts };
    client.Chat(request, { deadline: Date.now() + 30000 }, (error) => (error ? resolve(error) : reject(new Error('it did not fail'))));
  });
}

// Text that is no UTF-8 would come as U+FFFD.
const root = new protobuf.Root();
root.resolvePath = (origin, target) => (target.startsWith('google/protobuf/') ? target : `${protos}/third/${target}`);
await root.load('google/rpc/status.proto');
const Status = root.lookupType('google.rpc.Status');

let checked = 0;
for (const [character, width] of [['a', 1], ['%', 3], ['é', 6], ['語', 9], ['😀', 12]]) {
  for (const bound of [0, 160, 512, 1024, 4096, 7168]) {
    const least = Math.max(Math.floor(bound / width) - 2, 0);
    for (let count = least; count <= Math.floor(bound / width) + 2; ++count) {
      for (const attempts of [0, 1, 3, 10]) {
        const where = `${count} × ${character}, ${attempts} attempts`;
        const error = await chat(character.repeat(count), attempts);
        assert.equal(error.code, grpc.status.UNAVAILABLE, `${where}: ${error.message}`);
        const status = Status.decode(error.metadata.get('grpc-status-details-bin')[0]);
        assert.equal(status.message, error.details, where);
        assert.ok(!error.details.includes('\ufffd'), where);
        assert.equal(error.details === character.repeat(count), count * width <= 1024, where);
        assert.equal(status.details.length, attempts ? 3 : 2, where);
        ++checked;
      }
    }
  }
}
client.close();
console.log(checked);

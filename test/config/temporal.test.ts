import { channelArgsOf, readTemporalConfig } from '../../config/temporal.ts';

test('address and namespace come from the variables handed in, not from the process', () => {
  const { connectionOptions, namespace } = readTemporalConfig({
    TEMPORAL_ADDRESS: '127.0.0.1:17233',
    TEMPORAL_NAMESPACE: 'payments',
  });
  expect(connectionOptions.address).toBe('127.0.0.1:17233');
  expect(namespace).toBe('payments');
});

test('without a namespace it is Temporal’s own default', () => {
  expect(readTemporalConfig({ TEMPORAL_ADDRESS: '127.0.0.1:17233' }).namespace).toBe('default');
});

test.each([
  ['127.0.0.1:7233', true],
  ['127.8.0.1:7233', true],
  ['localhost:7233', true],
  ['LOCALHOST', true],
  ['[::1]:7233', true],
  ['::1', true],
  [undefined, true],
  ['temporal:7233', false],
  ['localhost.example.test:7233', false],
  ['127.0.0.1.example.test:7233', false],
  ['10.0.0.7:7233', false],
  ['acme.tmprl.example.test:7233', false],
])('%s is reached past the proxy: %s', (address, isDirect) => {
  const direct = { 'grpc.enable_http_proxy': 0 };
  expect(channelArgsOf(address)).toEqual(isDirect ? direct : {});
  const config = readTemporalConfig(address === undefined ? {} : { TEMPORAL_ADDRESS: address });
  expect(config.channelArgs).toEqual(isDirect ? direct : {});
});

import { readTemporalConfig } from '../../config/temporal.ts';

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

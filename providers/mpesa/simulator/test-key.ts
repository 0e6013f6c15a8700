/**
 * A test value: the simulator's own key pair, in place of the certificate that Safaricom hands out.
 * It guards nothing but the simulator.
 */
export const TEST_CERTIFICATE = [
  '-----BEGIN PUBLIC KEY-----',
  'MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAyw829pdrlQmL+2HDTYxj',
  'ZhjPIgVa5LOU9okEm0MS3MNih56l5+196yvSZdcHrzEgAfbj5vDETVZ+SYeMH7nR',
  'yu/ZL8J0DmMiZm6/3IzeN2X3YQoeQ5UydMAW+ejKgeSzeI1xYxM630EbeajkC17b',
  'SZLqodswSlHpdyg+diGA2Bqfjo6XwZhrftnUUPcGF3UjHEfFg1FWz7zTIy1MLI1s',
  '76KAsmUY4zJfps4/IrXvgRWFlvjPTSlhVQmXaj86eZLAEFg2eO0UXHt2FDvN3pwK',
  'lD1gjPaiKcknTDKHvb3TdVm8tRWHrVWLLumYe/DyWtOwKijvvpysGA4pX339GfXN',
  'WQIDAQAB',
  '-----END PUBLIC KEY-----',
].join('\n');

export const TEST_PRIVATE_KEY = [
  '-----BEGIN PRIVATE KEY-----',
  'MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQDLDzb2l2uVCYv7',
  'YcNNjGNmGM8iBVrks5T2iQSbQxLcw2KHnqXn7X3rK9Jl1wevMSAB9uPm8MRNVn5J',
  'h4wfudHK79kvwnQOYyJmbr/cjN43ZfdhCh5DlTJ0wBb56MqB5LN4jXFjEzrfQRt5',
  'qOQLXttJkuqh2zBKUel3KD52IYDYGp+OjpfBmGt+2dRQ9wYXdSMcR8WDUVbPvNMj',
  'LUwsjWzvooCyZRjjMl+mzj8ite+BFYWW+M9NKWFVCZdqPzp5ksAQWDZ47RRce3YU',
  'O83enAqUPWCM9qIpySdMMoe9vdN1Wby1FYetVYsu6Zh78PJa07AqKO++nKwYDilf',
  'ff0Z9c1ZAgMBAAECggEAHgfIwOTJbg/soheF/vbDb4K9RWKF2/tcDS7b3ctoY3pI',
  '3NY/YoK6w9gmBFYuBoCNI4U8FLgoS+i+AglYFYwRZQIePGQ1bjhGiuAXo1o49ffw',
  'QytwKN4MiXwsGbcOFfI5AZvneDfMld5m3hH2ceEMLMAbz6afKGqfTLZIsIdJawwX',
  'en8vYw7RAqdS7FQ5s61ifbTmrTnTnCHTVLlaiclwddUEoqWVeYbkwEl9GH2uuMav',
  '9jdhfccqRTL16N4T7bKP9+KKKjxh1kQrcme7oXZuJIhN7gO1Ed/kue/GrHlAdqNf',
  'amA/JWoY/tKW33Amf1TG/g0hJc42vV0qqyzGPuvTxQKBgQDl6Go2MAiD8kCjQeWK',
  'DUJah0W7wRuli3BGgcZATqZ1c3+8js342km/OHzFo41r2A88dV/lyJP+Lt2wC3gB',
  'hqjyyDWc3psKkkaCEY/sUTMDcoys3af/flvhIFKXTr0cFfvGfx4QBcW9qVcmmvLA',
  'CHQUHMdAqDyZRhDe60g8/Q6nlQKBgQDiGsOFiwhkO10KepWiQwX57OtdosqjjZHq',
  'xWy+nmLxMQSpuMi+vXhv9WTU6zMFX/gQCtp4UkhhHL/MuWT6hyzs/5ePuUZr1/sh',
  'Oi4MnQZ3K1h1IXdtiAqL+nuPkjF7kfO1QUlyGoRqJvBsWDuxqk0crkkU6tL7QFhE',
  '4N+7gwvNtQKBgEKapDpyi+T9x3AEZSUrVi+3xKHx/bplvO8QJYj3wA2Cmlzb2hvf',
  '0UGOcccn7I5zl2Zicpe1FfqrRRn9GJUIl+VNzwpVCwFzAu4nfFRv6aF0DAEAbez8',
  'hE2h+YtQCkUasUf+B42IvpKFfnP2q6CqUkaJV8gJdRTKUZTjAJh6j0ZJAoGAKKiZ',
  'akVDIAsQwxaiG8ijpXq2JGNmvxxxFd+km26N6kNfTEnfR3V41+Ev3Z3h0eCdEf1x',
  'pdteCqCJ2P2pq+ds671WetDdWf0/uozkxP3jsMBJqt52xGqHQv6rA3lNjqQDSB/S',
  'XkNodlJEP6dqLJusPDEXETzc7bN3bANoGCcLk1UCgYEAh5ezUQEU0i5LYQltbEwj',
  'PvWpY+bHr6AvriEzGH6oXBeV+j18Za9BrOc+LzyntjLdDWx3s+tcYiRWU1DnytSr',
  'nXf3MULhC5B9hiOqP7VXooSjWfqo9x7C0RJHE/tHesZmQPr9ECbOZHHnv7LRc056',
  'ezhS6ouPnq9uor9mqQfi8ac=',
  '-----END PRIVATE KEY-----',
].join('\n');

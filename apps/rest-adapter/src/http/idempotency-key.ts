import { createParamDecorator, type ExecutionContext } from '@nestjs/common';
import { ApiHeader } from '@nestjs/swagger';
import { type FastifyRequest } from 'fastify';
import { invalid } from '@countersign/api';

const KEY_PATTERN = /^[\x20-\x7e]{1,255}$/;

/** The Idempotency-Key of a request (draft-ietf-httpapi-idempotency-key-header). @throws Problem invalid-request */
export const IdempotencyKey = createParamDecorator((_data: unknown, context: ExecutionContext): string | undefined => {
  const key = context.switchToHttp().getRequest<FastifyRequest>().headers['idempotency-key'];
  if (key === undefined) return undefined;
  if (typeof key === 'string' && KEY_PATTERN.test(key)) return key;
  throw invalid([{ field: 'Idempotency-Key', rule: 'must be 1 to 255 printable ASCII characters' }]);
});

export const ApiIdempotencyKey = (): MethodDecorator =>
  ApiHeader({
    name: 'Idempotency-Key',
    required: false,
    description:
      'The same key of the same agent gets the same answer for a day and costs no further attempt. 409 while the first request is in flight, and for a success that no longer holds; 422 with another payload.',
    schema: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[\\x20-\\x7e]+$' },
  });

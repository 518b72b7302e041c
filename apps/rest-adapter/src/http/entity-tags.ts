import {
  applyDecorators,
  createParamDecorator,
  Injectable,
  UseInterceptors,
  type CallHandler,
  type ExecutionContext,
  type NestInterceptor,
} from '@nestjs/common';
import { invalid } from '@countersign/api';
import {
  arePreconditionsMet,
  ENTITY_TAG_PATTERN,
  entityTagOf,
  MAX_ENTITY_TAGS,
  type Preconditions,
} from '@countersign/contracts';
import { ApiExtension } from '@nestjs/swagger';
import { type FastifyReply, type FastifyRequest } from 'fastify';
import { map, type Observable } from 'rxjs';

/** `*`, or entity tags with commas between (RFC 9110, section 8.8.3). */
export const ENTITY_TAGS = /^(\*|(W\/)?"[\x21\x23-\x7e\x80-\xff]*"([ \t]*,[ \t]*(W\/)?"[\x21\x23-\x7e\x80-\xff]*")*)$/;
const RULE = `must be * or at most ${MAX_ENTITY_TAGS} entity tags in quotes, with commas between`;

/** The key under which an operation states that its resource has an entity tag, until the document is complete. */
export const ENTITY_TAG_EXTENSION = 'x-entity-tag';

/** What a change requires of the resource, as a field of its command. */
export interface Conditional {
  readonly preconditions?: Preconditions;
}

/** The preconditions of a change, from the headers If-Match and If-None-Match. @throws Problem invalid-request */
export const Conditions = createParamDecorator((_data: unknown, context: ExecutionContext): Conditional => {
  const preconditions = preconditionsOf(context.switchToHttp().getRequest<FastifyRequest>());
  return Object.keys(preconditions).length === 0 ? {} : { preconditions };
});

/** The header of an answer with this resource. */
export const etagOf = (resource: Readonly<Record<string, unknown>>): string => `"${entityTagOf(resource)}"`;

type TaggedPart = (resource: Readonly<Record<string, unknown>>) => Readonly<Record<string, unknown>>;

/** Writes the entity tag of each resource that is returned, and 304 where the client has it already. */
@Injectable()
class EntityTagInterceptor implements NestInterceptor<Record<string, unknown> | undefined> {
  constructor(private readonly taggedPart?: TaggedPart) {}

  intercept(context: ExecutionContext, next: CallHandler): Observable<Record<string, unknown> | undefined> {
    const http = context.switchToHttp();
    const request = http.getRequest<FastifyRequest>();
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const preconditions = isRead && !this.taggedPart ? preconditionsOf(request) : {};
    return next.handle().pipe(
      map((resource: Record<string, unknown> | undefined) => {
        if (resource === undefined) return resource;
        const reply = http.getResponse<FastifyReply>().header('etag', etagOf(this.taggedPart?.(resource) ?? resource));
        if (arePreconditionsMet(preconditions, resource)) return resource;
        void reply.code(304);
        return undefined;
      }),
    );
  }
}

/**
 * The route is about one resource with an entity tag. A change of it takes {@link Conditions}.
 * @param taggedPart what the tag is about, if it is not the whole resource. Such a resource is never answered with 304, because
 * the rest of it can differ under the same tag
 */
export const HasEntityTag = (taggedPart?: TaggedPart): MethodDecorator =>
  applyDecorators(
    UseInterceptors(new EntityTagInterceptor(taggedPart)),
    ApiExtension(ENTITY_TAG_EXTENSION, taggedPart ? 'part' : 'whole'),
  );

/** A weak tag never matches in If-Match; in If-None-Match it equals the strong one (RFC 9110, section 13.1). */
function preconditionsOf({ method, headers }: FastifyRequest): Preconditions {
  const isRead = method === 'GET' || method === 'HEAD';
  const ifMatch = tagsOf('If-Match', headers['if-match'], /^"/);
  const ifNoneMatch = tagsOf('If-None-Match', headers['if-none-match'], /^(W\/)?"/);
  return { ...(ifMatch && !isRead && { ifMatch }), ...(ifNoneMatch && { ifNoneMatch }) };
}

/** Tags of another form are those of no resource. */
function tagsOf(header: string, value: string | undefined, prefix: RegExp): string[] | undefined {
  if (value === undefined) return undefined;
  if (value === '*') return ['*'];
  const given = value.match(/(W\/)?"[^"]*"/g) ?? [];
  const tags = given.filter((tag) => prefix.test(tag)).map((tag) => tag.replace(prefix, '').slice(0, -1));
  const known = [...new Set(tags)].filter((tag) => ENTITY_TAG_PATTERN.test(tag));
  if (!ENTITY_TAGS.test(value) || known.length > MAX_ENTITY_TAGS) throw invalid([{ field: header, rule: RULE }]);
  return known;
}

import { IsNameOf, IsText, IsTime, Optional, RequestBody, Described, Field } from '@countersign/api';
import {
  API_KEY_SCOPES,
  DIRECTORY_STATES,
  type ApiKeyScope,
  type DirectoryState,
  type Violation,
} from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { ArrayMaxSize, ArrayMinSize, ArrayUnique, IsArray, IsIn } from 'class-validator';
import { ListQuery, NEXT_CURSOR } from '../tenants/tenants.dto.js';

const SCOPES_MEANING =
  'What the key may do. `verify`: verify callers, as its agent. `manage`: read and change everything inside its tenant. ' +
  '`manage:read`: read what `manage` may change. `audit`: read the events of its tenant; no call needs it yet';
const SCOPES_RULE = `must be a list of different scopes of ${API_KEY_SCOPES.join(', ')}`;

@Described({
  oneOf: [
    { properties: { scopes: { contains: { const: 'verify' } } }, required: ['agent'] },
    { properties: { scopes: { not: { contains: { const: 'verify' } } }, agent: false } },
  ],
  examples: [
    { name: 'Nightly import', scopes: ['manage'], expiresAt: '2099-01-31T12:00:00Z' },
    { name: 'Dashboard', scopes: ['manage:read', 'audit'] },
  ],
})
export class ApiKeyBody extends RequestBody {
  @IsText('Name that operators read') name!: string;
  @Field(SCOPES_MEANING, { items: { type: 'string', enum: API_KEY_SCOPES } })
  @IsIn(API_KEY_SCOPES, { each: true, message: SCOPES_RULE })
  @ArrayUnique({ message: SCOPES_RULE })
  @ArrayMinSize(1, { message: SCOPES_RULE })
  @ArrayMaxSize(API_KEY_SCOPES.length, { message: SCOPES_RULE })
  @IsArray({ message: SCOPES_RULE })
  scopes!: ApiKeyScope[];
  @Optional()
  @IsNameOf('The agent that the key verifies for. Required with the scope `verify`, and only allowed with it')
  agent?: string;
  @Optional() @IsTime('End of the key, a time to come. Default: it does not expire') expiresAt?: string;

  override rules(): Violation[] {
    if (this.scopes.includes('verify') === (this.agent !== undefined)) return [];
    return [{ field: 'agent', rule: 'must be given with the scope verify, and only with it' }];
  }

  /** {@link expiresAt} in the one spelling that is published, if it was sent. */
  end(): { expiresAt?: string } {
    return this.expiresAt === undefined ? {} : { expiresAt: new Date(this.expiresAt).toISOString() };
  }
}

/** A merge patch (RFC 7396) of an API key. */
@Described({ examples: [{ name: 'Weekly import' }] })
export class ApiKeyPatchBody extends RequestBody {
  @Optional() @IsText('Name that operators read') name?: string;
}

@Described()
export class ApiKeyListQuery extends ListQuery {
  @Optional() @IsNameOf('Only keys of this agent') agent?: string;
}

export class ApiKeyState {
  @ApiProperty({ description: 'Id of the key, which events and lists show. It is no secret.' }) id!: string;
  @ApiProperty() tenant!: string;
  @ApiProperty({ description: 'Name that operators read.' }) name!: string;
  @ApiProperty({ type: 'array', items: { type: 'string', enum: [...API_KEY_SCOPES] } }) scopes!: ApiKeyScope[];
  @ApiPropertyOptional({ description: 'The agent that the key verifies for.' }) agent?: string;
  @ApiProperty({ type: 'string', enum: DIRECTORY_STATES }) state!: DirectoryState;
  @ApiProperty({ format: 'date-time' }) createdAt!: string;
  @ApiProperty({ type: 'string', format: 'date-time', nullable: true, description: 'Null: it does not expire.' })
  expiresAt!: string | null;
  @ApiProperty({
    ...{ type: 'string', format: 'date-time', nullable: true },
    description: 'When the key was used last, to a minute. Null: never.',
  })
  lastUsedAt!: string | null;
}

export class ApiKeyPage {
  @ApiProperty({ type: [ApiKeyState] }) items!: ApiKeyState[];
  @ApiProperty(NEXT_CURSOR) nextCursor!: string | null;
}

export class NewApiKey extends ApiKeyState {
  @ApiProperty({ readOnly: true, description: 'The key, sent as `Authorization: Bearer <key>`. Shown once.' })
  key!: string;
}

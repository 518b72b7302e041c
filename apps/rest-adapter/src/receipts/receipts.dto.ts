import { IsCallId, Optional, RequestBody, Described, Field } from '@countersign/api';
import { LEVELS, METHODS } from '@countersign/contracts';
import { ApiProperty, ApiPropertyOptional } from '@nestjs/swagger';
import { IsBoolean, Matches } from 'class-validator';

@Described({ examples: [{ receipt: 'eyJhbGciOiJFZERTQSJ9.e30.c2lnbmF0dXJl', callId: 'call-1', consume: true }] })
export class IntrospectionBody extends RequestBody {
  /** Any text is accepted: one that is not a receipt is not active. */
  @Field('The receipt of a verification', { writeOnly: true })
  @Matches(/^[\x21-\x7e]{1,4096}$/, { message: 'must be 1 to 4096 printable ASCII characters without spaces' })
  receipt!: string;
  @Optional() @IsCallId('The call that the receipt must belong to') callId?: string;
  @Field('Consumes the receipt: each receipt is accepted once. Default: false')
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  consume?: boolean;
}

/** As in RFC 7662. An inactive receipt has no other field. */
export class Introspection {
  @ApiProperty({
    description:
      'False for a receipt that is not valid: forged, expired, consumed, ended, of another tenant, agent or call.',
  })
  active!: boolean;
  @ApiPropertyOptional() iss?: string;
  @ApiPropertyOptional({ description: 'The tenant.' }) aud?: string;
  @ApiPropertyOptional({ description: 'The subject.' }) sub?: string;
  @ApiPropertyOptional() call_id?: string;
  @ApiPropertyOptional() agent?: string;
  @ApiPropertyOptional({ type: 'string', enum: LEVELS }) level?: string;
  @ApiPropertyOptional({ type: 'string', enum: METHODS }) method?: string;
  @ApiPropertyOptional({ description: 'The verificationId.' }) jti?: string;
  @ApiPropertyOptional({ type: 'integer' }) iat?: number;
  @ApiPropertyOptional({ type: 'integer' }) exp?: number;
}

export class KeySet {
  @ApiProperty({
    type: 'array',
    items: { type: 'object' },
    description: 'RFC 7517, RFC 8037. The `kid` of a receipt names its key.',
  })
  keys!: object[];
}

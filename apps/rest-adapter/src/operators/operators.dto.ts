import { Described, Field, Optional, RequestBody } from '@countersign/api';
import { IsBoolean, IsIn, Matches } from 'class-validator';

@Described()
export class SignInQuery {
  @Field('Path of the page to which the operator returns')
  @Optional()
  @Matches(/^\/console(\/[\w.~!$&'()*+,;=:@%/?-]{0,900})?$/, { message: 'must be a path below /console' })
  returnTo?: string;
  @Field('The provider authenticates the person again')
  @Optional()
  @IsIn(['1'], { message: 'must be 1' })
  recent?: '1';
}

@Described()
export class KeySignInBody {
  @Field('The administrator key', { writeOnly: true })
  @Matches(/^[\x21-\x7e]{1,512}$/, { message: 'must be 1 to 512 printable ASCII characters without spaces' })
  key!: string;
}

@Described()
export class SignOutBody extends RequestBody {
  static override readonly isOptional = true;
  @Field('Ends all sessions of the operator')
  @Optional()
  @IsBoolean({ message: 'must be true or false' })
  everywhere: boolean = false;
}

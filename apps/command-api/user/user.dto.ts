import { ApiProperty } from '@nestjs/swagger';
import { IsEmail, IsIn, IsOptional, IsString, Length } from 'class-validator';
import type { UserRole } from '../../../domain/user/user.events';

const roles: readonly UserRole[] = ['owner', 'admin', 'agent', 'viewer'];

export class InviteUserBody {
  @ApiProperty({ minLength: 1, maxLength: 200, example: 'Ana Lima' })
  @IsString()
  @Length(1, 200)
  name!: string;

  @ApiProperty({ format: 'email', maxLength: 254, example: 'ana@acme.example' })
  @IsEmail()
  email!: string;

  @ApiProperty({ enum: roles })
  @IsIn(roles)
  role!: UserRole;
}

export class ChangeUserRoleBody {
  @ApiProperty({ enum: roles })
  @IsIn(roles)
  role!: UserRole;
}

export class ChangeUserStatusBody {
  @ApiProperty({ enum: ['active', 'deactivated'] })
  @IsIn(['active', 'deactivated'])
  status!: 'active' | 'deactivated';

  @ApiProperty({ required: false, maxLength: 500, description: 'Why a user is deactivated.' })
  @IsOptional()
  @IsString()
  @Length(0, 500)
  reason: string = '';
}

export class UserAnswer {
  @ApiProperty({ format: 'uuid' })
  userId!: string;
}

/** xattr(7) name spaces and setxattr(2) flags. */

export const XATTR_CREATE = 1;
export const XATTR_REPLACE = 2;
export const XATTR_USER_PREFIX = "user.";
export const XATTR_TRUSTED_PREFIX = "trusted.";
export const XATTR_SECURITY_PREFIX = "security.";
export const XATTR_SYSTEM_PREFIX = "system.";
export const XATTR_SECURITY_CAPABILITY = "security.capability";

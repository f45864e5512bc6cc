#include "textflag.h"

// func call80(nr uintptr) int32
TEXT ·call80(SB), NOSPLIT, $0-12
	MOVQ nr+0(FP), AX
	XORL BX, BX
	XORL CX, CX
	XORL DX, DX
	BYTE $0xCD; BYTE $0x80
	MOVL AX, ret+8(FP)
	RET

"""Compiles a file with NVRTC, without options, as the service does: nvrtc.py CUDA SOURCE"""

import ctypes
import glob
import sys

cuda, source = sys.argv[1:]
nvrtc = ctypes.CDLL(sorted(glob.glob(f"{cuda}/lib/libnvrtc.so*"))[0])


def check(status, program=None):
    if status == 0:
        return
    size = ctypes.c_size_t()
    if program:
        nvrtc.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        nvrtc.nvrtcGetProgramLog(program, log)
        print(log.value.decode(), file=sys.stderr)
    sys.exit(f"NVRTC failed with {status}")


program, size = ctypes.c_void_p(), ctypes.c_size_t()
text = open(source, "rb").read()
check(nvrtc.nvrtcCreateProgram(ctypes.byref(program), text, None, 0, None, None))
check(nvrtc.nvrtcCompileProgram(program, 0, None), program)
check(nvrtc.nvrtcGetPTXSize(program, ctypes.byref(size)))
ptx = ctypes.create_string_buffer(size.value)
check(nvrtc.nvrtcGetPTX(program, ptx))
kernels = [line.split()[-1].rstrip("(") for line in ptx.value.decode().splitlines() if ".entry" in line]
print(f"NVRTC: {size.value} bytes of PTX, kernels {', '.join(kernels)}")

using System.Runtime.InteropServices;

namespace KFac.Kernels.Cuda;

/// <summary>The functions of the CUDA driver API that are used, by their exported names (<c>_v2</c> where cuda.h maps to it).</summary>
/// <remarks>Every result goes through <see cref="DriverCall.Check"/>.</remarks>
internal static unsafe partial class Driver
{
    private const string Library = DriverLibrary.ImportName;

    [LibraryImport(Library)]
    public static partial DriverResult cuInit(uint flags);

    [LibraryImport(Library)]
    public static partial DriverResult cuDriverGetVersion(out int version);

    [LibraryImport(Library)]
    public static partial DriverResult cuGetErrorName(DriverResult error, out byte* name);

    [LibraryImport(Library)]
    public static partial DriverResult cuGetErrorString(DriverResult error, out byte* description);

    [LibraryImport(Library)]
    public static partial DriverResult cuDeviceGetCount(out int count);

    [LibraryImport(Library)]
    public static partial DriverResult cuDeviceGet(out int device, int ordinal);

    [LibraryImport(Library)]
    public static partial DriverResult cuDeviceGetName(byte* name, int length, int device);

    [LibraryImport(Library)]
    public static partial DriverResult cuDeviceGetAttribute(out int value, DeviceAttribute attribute, int device);

    [LibraryImport(Library, EntryPoint = "cuDeviceTotalMem_v2")]
    public static partial DriverResult cuDeviceTotalMem(out nuint bytes, int device);

    [LibraryImport(Library)]
    public static partial DriverResult cuDevicePrimaryCtxRetain(out nint context, int device);

    [LibraryImport(Library, EntryPoint = "cuDevicePrimaryCtxRelease_v2")]
    public static partial DriverResult cuDevicePrimaryCtxRelease(int device);

    [LibraryImport(Library, EntryPoint = "cuCtxPushCurrent_v2")]
    public static partial DriverResult cuCtxPushCurrent(nint context);

    [LibraryImport(Library, EntryPoint = "cuCtxPopCurrent_v2")]
    public static partial DriverResult cuCtxPopCurrent(out nint context);

    [LibraryImport(Library)]
    public static partial DriverResult cuStreamCreate(out nint stream, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamDestroy_v2")]
    public static partial DriverResult cuStreamDestroy(nint stream);

    [LibraryImport(Library)]
    public static partial DriverResult cuStreamSynchronize(StreamHandle stream);

    [LibraryImport(Library)]
    public static partial DriverResult cuStreamWaitEvent(StreamHandle stream, EventHandle mark, uint flags);

    [LibraryImport(Library, EntryPoint = "cuStreamBeginCapture_v2")]
    public static partial DriverResult cuStreamBeginCapture(StreamHandle stream, int mode);

    [LibraryImport(Library)]
    public static partial DriverResult cuStreamEndCapture(StreamHandle stream, out nint graph);

    [LibraryImport(Library)]
    public static partial DriverResult cuEventCreate(out nint mark, uint flags);

    [LibraryImport(Library, EntryPoint = "cuEventDestroy_v2")]
    public static partial DriverResult cuEventDestroy(nint mark);

    [LibraryImport(Library)]
    public static partial DriverResult cuEventRecord(EventHandle mark, StreamHandle stream);

    [LibraryImport(Library)]
    public static partial DriverResult cuEventSynchronize(EventHandle mark);

    [LibraryImport(Library)]
    public static partial DriverResult cuEventElapsedTime(out float milliseconds, EventHandle start, EventHandle end);

    [LibraryImport(Library)]
    public static partial DriverResult cuMemPoolCreate(out nint pool, in MemoryPoolProperties properties);

    [LibraryImport(Library)]
    public static partial DriverResult cuMemPoolDestroy(nint pool);

    [LibraryImport(Library)]
    public static partial DriverResult cuMemPoolTrimTo(MemoryPoolHandle pool, nuint keepBytes);

    [LibraryImport(Library)]
    public static partial DriverResult cuMemAllocFromPoolAsync(out nint address, nuint bytes, MemoryPoolHandle pool, StreamHandle stream);

    [LibraryImport(Library)]
    public static partial DriverResult cuMemFreeAsync(nint address, StreamHandle stream);

    [LibraryImport(Library)]
    public static partial DriverResult cuMemHostAlloc(out nint address, nuint bytes, uint flags);

    [LibraryImport(Library)]
    public static partial DriverResult cuMemFreeHost(nint address);

    [LibraryImport(Library, EntryPoint = "cuMemcpyHtoDAsync_v2")]
    public static partial DriverResult cuMemcpyHtoDAsync(nint destination, nint source, nuint bytes, StreamHandle stream);

    [LibraryImport(Library, EntryPoint = "cuMemcpyDtoHAsync_v2")]
    public static partial DriverResult cuMemcpyDtoHAsync(nint destination, nint source, nuint bytes, StreamHandle stream);

    [LibraryImport(Library)]
    public static partial DriverResult cuMemsetD8Async(nint destination, byte value, nuint bytes, StreamHandle stream);

    [LibraryImport(Library)]
    public static partial DriverResult cuModuleLoadDataEx(out nint module, byte* image, uint options, JitOption* names, nint* values);

    [LibraryImport(Library)]
    public static partial DriverResult cuModuleUnload(nint module);

    [LibraryImport(Library, StringMarshalling = StringMarshalling.Utf8)]
    public static partial DriverResult cuModuleGetFunction(out nint function, ModuleHandle module, string name);

    [LibraryImport(Library)]
    public static partial DriverResult cuFuncGetAttribute(out int value, FunctionAttribute attribute, nint function);

    [LibraryImport(Library)]
    public static partial DriverResult cuFuncSetAttribute(nint function, FunctionAttribute attribute, int value);

    [LibraryImport(Library)]
    public static partial DriverResult cuLaunchKernel(
        nint function,
        uint gridX,
        uint gridY,
        uint gridZ,
        uint blockX,
        uint blockY,
        uint blockZ,
        uint sharedBytes,
        StreamHandle stream,
        void** arguments,
        void** extra);

    [LibraryImport(Library)]
    public static partial DriverResult cuTensorMapEncodeTiled(
        TensorMap* map,
        TensorMapElement element,
        uint rank,
        nint address,
        ulong* lengths,
        ulong* distances,
        uint* box,
        uint* steps,
        TensorMapInterleave interleave,
        TensorMapSwizzle swizzle,
        TensorMapPromotion promotion,
        TensorMapFill fill);

    [LibraryImport(Library)]
    public static partial DriverResult cuGraphInstantiateWithFlags(out nint executable, GraphHandle graph, ulong flags);

    [LibraryImport(Library, EntryPoint = "cuGraphExecUpdate_v2")]
    public static partial DriverResult cuGraphExecUpdate(GraphExecutableHandle executable, GraphHandle graph, out GraphUpdateResult result);

    [LibraryImport(Library)]
    public static partial DriverResult cuGraphLaunch(GraphExecutableHandle executable, StreamHandle stream);

    [LibraryImport(Library)]
    public static partial DriverResult cuGraphDestroy(nint graph);

    [LibraryImport(Library)]
    public static partial DriverResult cuGraphExecDestroy(nint executable);
}

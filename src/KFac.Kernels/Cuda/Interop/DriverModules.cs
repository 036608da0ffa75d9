using System.Collections.Concurrent;
using System.Reflection;

namespace KFac.Kernels.Cuda;

/// <summary>Embedded PTX, loaded when a kernel of it is first launched, and the functions found so far.</summary>
/// <remarks>A kernel for compute capability 9.0 is looked for in <c>STEM.sm_90a</c> first, then as everywhere in
/// <c>STEM.sm_80</c>. The driver compiles PTX for the GPU at hand and keeps the result on disk.</remarks>
internal sealed class DriverModules(ContextHandle context, GpuProperties properties) : IDisposable
{
    /// <summary>In percent of what a multiprocessor has.</summary>
    private const int AllShared = 100;

    private readonly Lock _gate = new();
    private readonly Dictionary<string, ModuleHandle?> _modules = [];
    private readonly ConcurrentDictionary<(string Module, string Kernel), nint> _functions = new();

    /// <summary>The function of a kernel; the context is current.</summary>
    /// <param name="wantsShared">Whether launches of it ask for dynamic shared memory.</param>
    public nint Find(string module, string kernel, bool wantsShared) =>
        _functions.TryGetValue((module, kernel), out nint function) ? function : Load(module, kernel, wantsShared);

    public void Dispose()
    {
        lock (_gate)
        {
            foreach (ModuleHandle? module in _modules.Values)
            {
                module?.Dispose();
            }

            _modules.Clear();
            _functions.Clear();
        }
    }

    private nint Load(string module, string kernel, bool wantsShared)
    {
        lock (_gate)
        {
            nint function = (properties.IsHopper ? FindIn($"{module}.sm_90a", kernel) : null)
                ?? FindIn($"{module}.sm_80", kernel)
                ?? throw new InvalidOperationException($"There is no kernel {kernel} in {module}.cu; compile-ptx.sh was not run.");
            AllowSharedMemory(function, wantsShared);
            _functions[(module, kernel)] = function;
            return function;
        }
    }

    private nint? FindIn(string image, string kernel)
    {
        if (!_modules.TryGetValue(image, out ModuleHandle? module))
        {
            byte[]? ptx = Read(image);
            module = ptx is null ? null : new ModuleHandle(context, ptx, image);
            _modules.Add(image, module);
        }

        if (module is null)
        {
            return null;
        }

        DriverResult result = Driver.cuModuleGetFunction(out nint function, module, kernel);
        if (result == DriverResult.NotFound)
        {
            return null;
        }

        DriverCall.Check(result, nameof(Driver.cuModuleGetFunction));
        return function;
    }

    /// <summary>Dynamic shared memory beyond 48 KiB has to be allowed; what a launch asks for decides what it takes. Where it asks for any,
    /// shared memory gets what it divides with the first-level cache, so that as many blocks fit as was reckoned with.</summary>
    private void AllowSharedMemory(nint function, bool wantsShared)
    {
        DriverCall.Check(Driver.cuFuncGetAttribute(out int fixedBytes, FunctionAttribute.StaticSharedBytes, function));
        DriverCall.Check(Driver.cuFuncSetAttribute(
            function, FunctionAttribute.MostDynamicSharedBytes, properties.SharedBytesPerBlock - fixedBytes));
        if (wantsShared)
        {
            DriverCall.Check(Driver.cuFuncSetAttribute(function, FunctionAttribute.PreferredSharedCarveout, AllShared));
        }
    }

    /// <summary>The PTX with a zero behind it; null where there is none.</summary>
    private static byte[]? Read(string image)
    {
        using Stream? stream = Assembly.GetExecutingAssembly().GetManifestResourceStream($"ptx/{image}.ptx");
        if (stream is null)
        {
            return null;
        }

        var ptx = new byte[stream.Length + 1];
        stream.ReadExactly(ptx, 0, ptx.Length - 1);
        return ptx;
    }
}

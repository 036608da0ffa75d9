namespace KFac.Kernels.Cpu;

/// <summary>What the CPU device offers: one line a kernel.</summary>
internal static class CpuKernels
{
    public static KernelTable Create(CpuDevice device) => new();
}

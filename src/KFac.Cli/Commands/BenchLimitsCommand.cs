using KFac.Kernels;

namespace KFac.Cli;

/// <summary><c>kfac bench limits</c>: the multiply-add peak and the memory bandwidth of this machine.</summary>
internal sealed class BenchLimitsCommand() : BenchCommand("limits", "Measure the machine: multiply-adds and memory bandwidth.", hasCases: false)
{
    /// <inheritdoc/>
    protected override IReadOnlyList<Func<Device, BenchCase>> Cases(CommandContext context) => [];
}

using System.Text.Json.Nodes;
using KFac.Kernels;

namespace KFac.Cli;

/// <summary>One thing to time: prepared memory, the work, what it costs at least, and how a peer is asked for the same.</summary>
internal abstract class BenchCase : IDisposable
{
    /// <summary>As in results, for example <c>factor</c>.</summary>
    public abstract string Operation { get; }

    /// <summary>For people and results, for example <c>64,196,384</c>.</summary>
    public abstract string Shape { get; }

    /// <summary><c>expand</c> or <c>reduce</c>; null where it does not apply.</summary>
    public virtual string? Approximation => null;

    /// <summary>Floating-point operations that one unit of work needs; null where there is no agreed count.</summary>
    public virtual double? Operations => null;

    /// <summary>Bytes that one unit of work must read and write, where memory is the limit; else null.</summary>
    public virtual double? Bytes => null;

    /// <summary>The bandwidth that the bytes are held against: of reading, unless the work writes as much.</summary>
    public virtual double MemoryLimit(MachineLimits limits) => limits.ReadGBps;

    /// <summary>Units of work that <see cref="Run"/> does: times are given for one.</summary>
    public virtual int UnitsPerRun => 1;

    /// <summary>Which way of doing it the peer takes, where it has several; else null.</summary>
    public virtual string? PeerForm => null;

    /// <summary>The sizes and names that the peer's script prepares this case from; null where it has none like it.</summary>
    public abstract JsonObject? PeerRequest { get; }

    /// <summary>Seconds that each part of one unit of work took, medians over all runs; null where parts are not told apart.</summary>
    public virtual IReadOnlyList<PhaseMeasurement>? Phases => null;

    /// <summary>Gives the work to the device's default stream.</summary>
    public abstract void Run();

    /// <summary>Throws when the last <see cref="Run"/> did not yield what it should have.</summary>
    public virtual void Check()
    {
    }

    /// <summary>How far the last <see cref="Run"/>'s result is from float64: see <see cref="ProductError"/>. Null where that is not
    /// measured; where it is, the peer answers the same question.</summary>
    public virtual double? MeasureError() => null;

    public abstract void Dispose();
}

using BenchmarkDotNet.Attributes;
using BenchmarkDotNet.Configs;
using BenchmarkDotNet.Diagnosers;
using BenchmarkDotNet.Jobs;
using BenchmarkDotNet.Reports;
using BenchmarkDotNet.Running;
using BenchmarkDotNet.Toolchains.InProcess.NoEmit;
using Xunit;

namespace KFac.Bench.Tests;

/// <summary>The memory column of <see cref="StepAllocationBenchmarks"/>, as a gate.</summary>
public class StepAllocationTests
{
    /// <summary>Enough that an allocation of <see cref="MostBytesPerStep"/> exceeds the runtime's allocation quantum of 8 KiB,
    /// below which the diagnoser reports nothing.</summary>
    private const int Steps = 128;

    /// <summary>What the diagnoser itself may add to a step; a single array of the smallest batch would exceed it.</summary>
    private const long MostBytesPerStep = 64;

    /// <summary>The first cases also pay for tiered compilation, which ends within this many rounds.</summary>
    private const int WarmupRounds = 6;

    /// <summary>The runtime's own threads allocate now and then, a step that allocates does so every time.</summary>
    private const int MostAttempts = 3;

    [Fact]
    public void A_steady_state_step_allocates_no_managed_memory_at_any_batch_depth_or_width()
    {
        Dictionary<string, long> least = [];
        for (int attempt = 0; attempt < MostAttempts && (attempt == 0 || least.Values.Max() > MostBytesPerStep); attempt++)
        {
            foreach (BenchmarkReport report in Measure<StepAllocationBenchmarks>().Reports)
            {
                string name = report.BenchmarkCase.Parameters.DisplayInfo;
                least[name] = Math.Min(BytesPerStep(report), least.GetValueOrDefault(name, long.MaxValue));
            }
        }

        Assert.Equal(8, least.Count);
        Assert.All(least, static entry => Assert.InRange(entry.Value, 0, MostBytesPerStep));
    }

    [Fact]
    public void A_planted_allocation_is_noticed()
    {
        Summary summary = Measure<PlantedAllocation>();

        Assert.True(BytesPerStep(Assert.Single(summary.Reports)) > MostBytesPerStep);
    }

    private static Summary Measure<TBenchmark>() => BenchmarkRunner.Run<TBenchmark>(ManualConfig.CreateEmpty()
        .AddDiagnoser(MemoryDiagnoser.Default)
        .AddJob(Job.Default
            .WithToolchain(InProcessNoEmitToolchain.Instance)
            .WithWarmupCount(WarmupRounds)
            .WithIterationCount(1)
            .WithInvocationCount(Steps)
            .WithUnrollFactor(1)));

    private static long BytesPerStep(BenchmarkReport report)
    {
        Assert.True(report.Success, $"{report.BenchmarkCase.DisplayInfo} did not run.");
        return report.GcStats.GetBytesAllocatedPerOperation(report.BenchmarkCase) ?? throw new InvalidOperationException(
            $"{report.BenchmarkCase.DisplayInfo} was run without the memory diagnoser.");
    }

    /// <summary>The control: an array of the smallest batch, one float a row.</summary>
    public class PlantedAllocation
    {
        private float[] _kept = [];

        [Benchmark]
        public float[] Step() => _kept = new float[_kept.Length == 0 ? 16 : _kept.Length];
    }
}

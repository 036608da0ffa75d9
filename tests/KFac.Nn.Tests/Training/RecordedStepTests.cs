using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Training steps that a GPU replays from graphs are those that it is given kernel by kernel, bit for bit, and those of the
/// CPU but for rounding.</summary>
public sealed class RecordedStepTests
{
    private const int Steps = 10;

    public static TheoryData<string, string> Cases
    {
        get
        {
            var cases = new TheoryData<string, string>();
            foreach (string workload in SmallWorkload.Repeatable)
            {
                foreach (string rule in new[] { "expand", "reduce", "adamw" })
                {
                    cases.Add(workload, rule);
                }
            }

            foreach (string rule in new[] { "sgd", "nesterov", "nadamw", "eigenbases", "empirical" })
            {
                cases.Add("perceptron", rule);
            }

            foreach (string workload in SmallWorkload.Ragged)
            {
                cases.Add(workload, "expand");
            }

            return cases;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Replayed_steps_give_the_bits_of_plain_ones(string workload, string rule)
    {
        Course recorded = Train(workload, rule, TestDevice.OpenCudaHost(new DeviceOptions()));
        Course plain = Train(workload, rule, TestDevice.OpenCudaHost(new DeviceOptions { Graphs = false }));
        Course cpu = Train(workload, rule, TestDevice.OpenDefault());
        Assert.Equal(plain.Losses, recorded.Losses);
        Assert.Equal(plain.Parameters, recorded.Parameters);
        Assert.Equal((0, 0), (plain.Passes, plain.Updates));
        for (int step = 0; step < Steps; step++)
        {
            // Rounding grows from step to step through rectified units and inverses.
            Assert.Equal(cpu.Losses[step], recorded.Losses[step], 2e-3 * Math.Abs(cpu.Losses[step]));
        }

        bool ragged = SmallWorkload.Ragged.Contains(workload);
        bool keepsGradients = rule == "empirical";
        Assert.Equal(ragged || keepsGradients ? 0 : Steps - 2, recorded.Passes);
        if (rule is "expand" or "reduce" or "eigenbases" or "empirical")
        {
            // Inverses are written to two places in turn, and each place is recorded at the second step that uses it.
            Assert.InRange(recorded.Updates, 4, Steps);
        }
    }

    private static Course Train(string name, string rule, Device device)
    {
        using (device)
        {
            (Workload workload, TrainingProblem problem) = SmallWorkload.Make(name);
            TrainingOptions options = new() { Workload = workload, Optimizer = Settings(workload, rule), Seed = 5, Steps = Steps };
            using Network network = problem.CreateNetwork(device, options.Seed);
            using IOptimizer optimizer = OptimizerFactory.Create(device, network, options.Optimizer, options.Seed);
            using var step = new TrainingStep(device.DefaultStream, options, problem, network, optimizer);
            double[] losses = [.. Enumerable.Range(1, Steps).Select(i => step.Run(i, options.Optimizer.LearningRate / i))];
            var parameters = new float[network.Parameters.Values.Length];
            device.DefaultStream.Download(network.Parameters.Values, parameters);
            return new Course(losses, parameters, step.Replays, (optimizer as KfacOptimizer)?.Replays ?? 0);
        }
    }

    private static OptimizerSettings Settings(Workload workload, string rule) => rule switch
    {
        "adamw" => workload.DefaultOptimizer(OptimizerKind.AdamW) with { WeightDecay = 0.01 },
        "nadamw" => workload.DefaultOptimizer(OptimizerKind.NAdamW),
        "sgd" => workload.DefaultOptimizer(OptimizerKind.Sgd),
        "nesterov" => workload.DefaultOptimizer(OptimizerKind.Nesterov),
        _ => OptimizerSettings.UsualFor(OptimizerKind.Kfac) with
        {
            Approximation = rule == "reduce" ? SharingApproximation.Reduce : SharingApproximation.Expand,
            DampingStyle = rule == "eigenbases" ? DampingStyle.Product : DampingStyle.FactoredPi,
            Curvature = rule == "empirical" ? CurvatureKind.Empirical : CurvatureKind.MonteCarlo,
            Damping = 0.3,
            InverseInterval = 3,
            KlClip = 1e-4,
        },
    };

    /// <summary>What a run left: its losses, its parameters, and how many passes and updates were replayed.</summary>
    private sealed record Course(double[] Losses, float[] Parameters, long Passes, long Updates);
}

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

    public static TheoryData<string, string, string> Cases
    {
        get
        {
            IEnumerable<(string Workload, string Rule)> each =
            [
                .. from workload in SmallWorkload.Repeatable from rule in new[] { "expand", "reduce", "adamw" } select (workload, rule),
                .. new[] { "sgd", "nesterov", "nadamw", "eigenbases", "averages", "empirical" }.Select(static rule => ("perceptron", rule)),
                .. SmallWorkload.Ragged.Select(static workload => (workload, "expand")),
            ];
            var cases = new TheoryData<string, string, string>();
            foreach ((string key, (string workload, string rule)) in from key in TestDevice.CudaKeys from one in each select (key, one))
            {
                cases.Add(key, workload, rule);
            }

            return cases;
        }
    }

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void Replayed_steps_give_the_bits_of_plain_ones(string key, string workload, string rule)
    {
        Course recorded = Train(workload, rule, TestDevice.OpenCuda(key, new DeviceOptions()));
        Course plain = Train(workload, rule, TestDevice.OpenCuda(key, new DeviceOptions { Graphs = false }));
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
        if (rule is "expand" or "reduce" or "eigenbases" or "averages" or "empirical")
        {
            // Inverses are written to two places in turn, and each place is recorded at the second step that uses it.
            Assert.InRange(recorded.Updates, 4, Steps);
            Assert.InRange(recorded.Gathered, ragged || keepsGradients ? 0 : 4, ragged || keepsGradients ? 0 : Steps);
        }

        // Their coefficients have settled: there is no average, or one that forgets at once.
        Assert.InRange(recorded.Averaged, rule is "eigenbases" or "averages" ? 2 : 0, rule is "eigenbases" or "averages" ? Steps : 0);
    }

    [SkippableTheory]
    [MemberData(nameof(TestDevice.Cuda), MemberType = typeof(TestDevice))]
    public void Batches_of_another_size_and_evaluations_in_between_change_no_bit(string key)
    {
        Assert.Equal(Interrupted(key, graphs: false, out long none), Interrupted(key, graphs: true, out long replays));
        Assert.Equal(0, none);
        Assert.InRange(replays, 3, 9);

        static float[] Interrupted(string key, bool graphs, out long replays)
        {
            using var hand = new Hand(TestDevice.OpenCuda(key, new DeviceOptions { Graphs = graphs }));
            for (int step = 0; step < 11; step++)
            {
                if (step == 8)
                {
                    hand.Evaluate();
                }

                hand.Pass(step, step == 4 ? 15 : 24);
                hand.Update();
            }

            replays = hand.Replays;
            return hand.Values();
        }
    }

    [SkippableTheory]
    [MemberData(nameof(TestDevice.Cuda), MemberType = typeof(TestDevice))]
    public void A_gradient_that_is_not_finite_stops_a_replayed_step_before_anything_changes(string key)
    {
        using var hand = new Hand(TestDevice.OpenCuda(key, new DeviceOptions()));
        for (int step = 0; step < 6; step++)
        {
            hand.Pass(step, 24);
            hand.Update();
        }

        float[] before = hand.Values();
        long replays = hand.Optimizer.Replays;
        Assert.True(replays > 0);
        hand.Pass(6, 24);
        hand.Poison();
        NonFiniteCaptureException thrown = Assert.Throws<NonFiniteCaptureException>(hand.Update);
        Assert.Equal("weight gradients", thrown.Quantity);
        Assert.Equal(before, hand.Values());

        // The next step is sound.
        hand.Pass(7, 24);
        hand.Update();
        Assert.True(hand.Optimizer.Replays > replays);
        Assert.All(hand.Values(), value => Assert.True(float.IsFinite(value)));
    }

    [SkippableTheory]
    [MemberData(nameof(TestDevice.Cuda), MemberType = typeof(TestDevice))]
    public void Targets_that_are_set_again_on_one_forward_pass_are_those_that_count(string key)
    {
        (float[] expected, double[] expectedLosses) = Retargeted(key, graphs: false);
        (float[] values, double[] losses) = Retargeted(key, graphs: true);
        Assert.Equal(expectedLosses, losses);
        Assert.Equal(expected, values);

        static (float[] Values, double[] Losses) Retargeted(string key, bool graphs)
        {
            using var hand = new Hand(TestDevice.OpenCuda(key, new DeviceOptions { Graphs = graphs }));
            var losses = new List<double>();
            for (int step = 0; step < 4; step++)
            {
                hand.Pass(step, 24);
                hand.Update();
            }

            // Each time fewer rows have a target.
            for (int masked = 0; masked < 6; masked++)
            {
                hand.Retarget(masked);
                hand.Update();
                losses.Add(hand.Loss());
            }

            for (int step = 4; step < 8; step++)
            {
                hand.Pass(step, 24);
                hand.Update();
                losses.Add(hand.Loss());
            }

            return (hand.Values(), [.. losses]);
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
            var kfac = optimizer as KfacOptimizer;
            return new Course(losses, parameters, step.Replays, kfac?.Replays ?? 0, kfac?.FactorReplays.Gathered ?? 0, kfac?.FactorReplays.Averaged ?? 0);
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
            MovingAverage = rule switch { "eigenbases" => 0, "averages" => 1e-4, _ => 0.95 },
            Damping = 0.3,
            InverseInterval = 3,
            KlClip = 1e-4,
        },
    };

    /// <summary>The small perceptron, trained by K-FAC part by part.</summary>
    private sealed class Hand : IDisposable
    {
        private readonly Device _device;
        private readonly Network _network;
        private readonly MiniBatch _batch;
        private readonly TrainingPass _pass;
        private readonly Arena _targets;

        public Hand(Device device)
        {
            _device = device;
            _targets = new Arena(device);
            (Workload workload, TrainingProblem problem) = SmallWorkload.Make("perceptron");
            _network = problem.CreateNetwork(device, 5);
            _batch = problem.CreateBatch(device.DefaultStream, workload.BatchSize);
            _pass = new TrainingPass(device.DefaultStream, _network, _batch);
            Optimizer = (KfacOptimizer)OptimizerFactory.Create(device, _network, Settings(workload, "expand"), 5);
        }

        public KfacOptimizer Optimizer { get; }

        public long Replays => _pass.Replays;

        public void Pass(int step, int count)
        {
            _batch.FillForTraining([.. Enumerable.Range(step, count)], new PhiloxKey(1, (ulong)step));
            _pass.Run(Optimizer.TrainingPassSink);
        }

        /// <summary>Other labels for the outputs there are, none for the first rows, and their gradients.</summary>
        public void Retarget(int masked)
        {
            int rows = _network.Output.Value.Rows;
            int[] labels = [.. Enumerable.Range(0, rows).Select(row => row < masked ? Targets.Masked : (row + masked) % 4)];
            Targets targets = Targets.FromLabels(_device.DefaultStream, _targets, labels, 4) with { Terms = rows - masked };
            _network.SetTargets(targets);
            _network.Backward(Optimizer.TrainingPassSink);
        }

        public double Loss() => _network.MeanLoss();

        public void Update() => Optimizer.Step(_network, _network.Parameters, 0.05);

        public void Evaluate()
        {
            _network.Training = false;
            _batch.Fill(DataPart.Validation, 0, 9);
            _batch.Forward(_network);
            _network.Training = true;
        }

        public void Poison() => _device.DefaultStream.Upload<float>([float.NaN], _network.Parameters.Gradients.Slice(7, 1));

        public float[] Values()
        {
            var values = new float[_network.Parameters.Values.Length];
            _device.DefaultStream.Download(_network.Parameters.Values, values);
            return values;
        }

        public void Dispose()
        {
            Optimizer.Dispose();
            _pass.Dispose();
            _batch.Dispose();
            _network.Dispose();
            _targets.Dispose();
            _device.Dispose();
        }
    }

    /// <summary>What a run left: its losses, its parameters, and how many passes, updates, captures and averages were replayed.</summary>
    private sealed record Course(double[] Losses, float[] Parameters, long Passes, long Updates, long Gathered, long Averaged);
}

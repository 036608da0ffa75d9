using KFac.Engine;
using KFac.Kernels;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

/// <summary>Parameters without Kronecker structure, state, and what the tape tells layers.</summary>
public class ParameterRegistryTests
{
    [Fact]
    public void Parameters_lie_in_the_order_of_registration_with_their_initial_values()
    {
        using Device device = TestDevice.OpenDefault();
        using var network = new Network(device, new Probe(), new SquaredErrorLoss(), new PhiloxKey(1, 2));
        Assert.Equal(
            [("p.scale", 0, 1, 3, -1), ("p.linear.weight", 3, 2, 4, 0), ("p.table", 11, 50, 40, -1)],
            network.Parameters.Blocks.Select(block => (block.Name, block.Offset, block.Rows, block.Columns, block.Layer)));
        float[] values = Read(device, network.Parameters.Values);
        Assert.Equal([1.5f, 1.5f, 1.5f], values[..3]);

        // Variance of 2,000 normal numbers, within 6 standard errors √(2/n).
        Assert.InRange(values[11..].Average(v => (double)v * v) / 0.04, 1 - (6 * Math.Sqrt(2.0 / 2000)), 1 + (6 * Math.Sqrt(2.0 / 2000)));
        ModelSummary summary = ModelSummary.Of(network);
        Assert.Equal(2011, summary.Parameters);
        Assert.Equal([("p.scale", 3), ("p.table", 2000)], summary.OtherParameters.Select(p => (p.Name, p.Parameters)));
    }

    [Fact]
    public void A_plain_parameter_more_leaves_the_layers_initial_weights_alone()
    {
        using Device device = TestDevice.OpenDefault();
        using var alone = new Network(device, new Linear("p.linear", 3, 2), new SquaredErrorLoss(), new PhiloxKey(1, 2));
        using var network = new Network(device, new Probe(), new SquaredErrorLoss(), new PhiloxKey(1, 2));
        Assert.Equal(Read(device, alone.Parameters.Values), Read(device, network.Parameters.Values)[3..11]);
    }

    [Fact]
    public void State_is_kept_outside_the_parameters_and_visited()
    {
        using Device device = TestDevice.OpenDefault();
        var probe = new Probe();
        using var network = new Network(device, probe, new SquaredErrorLoss(), default);
        var names = new List<string>();
        network.VisitState(new Names(names));
        Assert.Equal(["parameters 2011", "p.mean 5"], names);
        Assert.Equal([2f, 2f, 2f, 2f, 2f], Read(device, probe.Mean!.Values));
    }

    [Fact]
    public void Curvature_passes_leave_gradients_alone_and_a_pass_that_misses_a_parameter_zeroes_it()
    {
        var norm = new LayerNormalization("n", 3);
        var bypass = new Bypass(norm, new Linear("a", 3, 2));
        using var test = new TestNetwork(bypass, new SquaredErrorLoss());
        test.Forward(TensorShape.Of(4, 3));
        test.SetValueTargets();
        test.Network.Backward();
        float[] trained = test.Gradients();
        Assert.All(trained[..6], gradient => Assert.NotEqual(0f, gradient));
        test.CaptureOutputGradients(CurvatureKind.Exact);
        test.CaptureOutputGradients(CurvatureKind.MonteCarlo, samples: 2);
        Assert.Equal(trained, test.Gradients());

        bypass.Skip = true;
        test.Forward(TensorShape.Of(4, 3));
        test.SetValueTargets();
        test.Network.Backward();
        Assert.All(test.Gradients()[..6], gradient => Assert.Equal(0f, gradient));
    }

    [Fact]
    public void Each_use_in_a_step_has_random_numbers_of_its_own_and_steps_repeat()
    {
        using Device device = TestDevice.OpenDefault();
        var probe = new Probe();
        using var network = new Network(device, probe, new SquaredErrorLoss(), default) { RandomKey = new PhiloxKey(7, 8) };
        using var arena = new Arena(device);
        MatrixView<float> inputs = arena.Matrix<float>(2, 3);
        Elementwise.Fill(device.DefaultStream, 1f, inputs);
        network.Forward(inputs, TensorShape.Of(2, 3));
        network.Forward(inputs, TensorShape.Of(2, 3));
        network.RandomKey = new PhiloxKey(7, 9);
        network.Training = false;
        network.Forward(inputs, TensorShape.Of(2, 3));
        Assert.Equal(6, probe.Keys.Count);
        Assert.Equal(probe.Keys[..2], probe.Keys[2..4]);
        Assert.Equal(4, probe.Keys.Distinct().Count());
        Assert.Equal([true, true, false], probe.Training);
    }

    [Fact]
    public void Names_are_unique_over_layers_parameters_and_state()
    {
        using Device device = TestDevice.OpenDefault();
        var twins = new Sequential(new LayerNormalization("n", 3), new LayerNormalization("n", 3));
        Assert.Contains("'n.weight'", Assert.Throws<ArgumentException>(() => new Network(device, twins, new SquaredErrorLoss(), default)).Message, StringComparison.Ordinal);
    }

    private static float[] Read(Device device, VectorView<float> view)
    {
        var values = new float[view.Length];
        device.DefaultStream.Download(view, values);
        return values;
    }

    /// <summary>A linear layer between two plain parameters and some state, which writes down what the tape says.</summary>
    private sealed class Probe : Module
    {
        private readonly Linear _linear = new("p.linear", 3, 2);

        public List<PhiloxKey> Keys { get; } = [];

        public List<bool> Training { get; } = [];

        public StateVector? Mean { get; private set; }

        public override Variable Forward(Tape tape, Variable input)
        {
            Training.Add(tape.Training);
            Keys.Add(Complete(tape, tape.NextRandomKey()));
            Keys.Add(Complete(tape, tape.NextRandomKey()));
            return _linear.Forward(tape, input);
        }

        private static PhiloxKey Complete(Tape tape, DeviceKey key) =>
            key.Key with { Sequence = key.Key.Sequence ^ tape.Stream.Read(key.Sequence) };

        public override void Register(ParameterRegistry registry)
        {
            registry.AddVector("p.scale", 3, ParameterInitialization.Constant(1.5f));
            _linear.Register(registry);
            registry.AddMatrix("p.table", 50, 40, ParameterInitialization.Normal(0.2f));
            Mean = registry.AddState("p.mean", 5, 2f);
        }
    }

    private sealed class Bypass(Module optional, Module always) : Module
    {
        public bool Skip { get; set; }

        public override Variable Forward(Tape tape, Variable input) =>
            always.Forward(tape, Skip ? input : optional.Forward(tape, input));

        public override void Register(ParameterRegistry registry) => new Sequential(optional, always).Register(registry);
    }

    private sealed class Names(List<string> names) : IStateVisitor
    {
        public void Vector(string name, VectorView<float> view) => names.Add($"{name} {view.Length}");

        public void Integer(string name, ref long value) => names.Add(name);

        public void Real(string name, ref double value) => names.Add(name);
    }
}

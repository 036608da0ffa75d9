using KFac.Engine;
using KFac.Kernels;
using KFac.Reference;
using KFac.Testing;
using Xunit;

namespace KFac.Nn.Tests;

public class NetworkTests
{
    [Fact]
    public void The_setting_follows_from_the_number_of_loss_terms()
    {
        using TestNetwork expand = Evaluated("four dimensions");
        Assert.Equal((SharingApproximation.Expand, 12), (expand.Network.LossSetting, expand.Network.LossTerms));
        using TestNetwork reduce = Evaluated("mean");
        Assert.Equal((SharingApproximation.Reduce, 3), (reduce.Network.LossSetting, reduce.Network.LossTerms));
    }

    [Fact]
    public void Mean_loss_is_the_mean_of_the_terms()
    {
        using TestNetwork test = new(LayerCases.Make("tanh").Root, new CrossEntropyLoss());
        float[] outputs = test.Read(test.Forward(TensorShape.Of(6, 4)).Value);
        int[] labels = test.SetLabelTargets();
        double expected = labels.Select((label, row) => LossFunctions.CrossEntropy(TestData.ToDouble(outputs.AsSpan(row * 3, 3)), label)).Average();
        Assert.InRange(test.Network.MeanLoss(), expected - 1e-6, expected + 1e-6);
    }

    [Fact]
    public void Correct_outputs_are_counted()
    {
        using TestNetwork test = new(LayerCases.Make("tanh").Root, new CrossEntropyLoss());
        float[] outputs = test.Read(test.Forward(TensorShape.Of(6, 4)).Value);
        int[] labels = test.SetLabelTargets();
        int expected = labels.Where((label, row) => outputs.AsSpan(row * 3, 3).IndexOf(outputs.Skip(row * 3).Take(3).Max()) == label).Count();
        Assert.Equal(expected, test.Network.CorrectCount());
    }

    [Fact]
    public void A_layer_that_the_pass_does_not_reach_has_a_zero_gradient()
    {
        var bypassed = new Switch(new Linear("a", 3, 3), new Linear("b", 3, 3));
        using var test = new TestNetwork(bypassed, new SquaredErrorLoss());
        test.Forward(TensorShape.Of(2, 3));
        test.SetValueTargets();
        test.Network.Backward();
        Assert.Contains(test.Gradients()[..12], gradient => gradient != 0);
        Assert.All(test.Gradients()[12..], gradient => Assert.Equal(0f, gradient));
        bypassed.UseSecond = true;
        test.Forward(TensorShape.Of(2, 3));
        test.SetValueTargets();
        test.Network.Backward();
        Assert.All(test.Gradients()[..12], gradient => Assert.Equal(0f, gradient));
        Assert.Contains(test.Gradients()[12..], gradient => gradient != 0);
    }

    [Fact]
    public void Threads_do_not_change_a_bit()
    {
        float[]? first = null;
        foreach (int threads in new[] { 1, 2, 3 })
        {
            using Device device = Device.Open("cpu", new DeviceOptions { Threads = threads });
            Module root = MultiLayerPerceptron.Build(
                new MultiLayerPerceptronOptions { InputWidth = 131, HiddenWidths = [157, 99], OutputWidth = 10 });
            using var test = new TestNetwork(root, new CrossEntropyLoss(), scale: 0.1f, device);
            test.Forward(TensorShape.Of(67, 131));
            test.SetLabelTargets();
            test.Network.Backward();
            float[] bits = [.. test.Gradients(), .. test.CaptureOutputGradients(CurvatureKind.Exact).RowsOf(0), (float)test.Network.MeanLoss()];
            first ??= bits;
            Assert.Equal(first, bits);
        }
    }

    [Fact]
    public void Steps_out_of_order_are_refused()
    {
        using var test = new TestNetwork(new Linear("a", 3, 2), new SquaredErrorLoss());
        Assert.Throws<InvalidOperationException>(() => test.Network.Output);
        Assert.Throws<InvalidOperationException>(() => test.Network.LossSetting);
        Assert.Throws<InvalidOperationException>(() => test.CaptureInputs());
        test.Forward(TensorShape.Of(2, 3));
        Assert.Throws<InvalidOperationException>(() => test.Network.Backward());
        Assert.Throws<InvalidOperationException>(() => test.Network.MeanLoss());
        test.SetValueTargets();
        Assert.Throws<InvalidOperationException>(() => test.Network.CorrectCount());
        test.Network.Backward();
        test.Forward(TensorShape.Of(2, 3));
        Assert.Throws<InvalidOperationException>(() => test.Network.Backward());
    }

    [Fact]
    public void A_wrong_width_is_refused_by_name_and_the_network_stays_usable()
    {
        using var test = new TestNetwork(new Sequential(new Linear("first", 3, 4), new Linear("second", 5, 2)), new SquaredErrorLoss());
        ArgumentException error = Assert.Throws<ArgumentException>(() => test.Forward(TensorShape.Of(2, 7, 3)));
        Assert.Contains("Layer 'second' is given inputs [2, 7, 4] of width 4; wanted width 5", error.Message, StringComparison.Ordinal);
        Assert.Throws<InvalidOperationException>(() => test.Network.Output);
    }

    [Fact]
    public void No_examples_are_refused()
    {
        using var test = new TestNetwork(new Linear("a", 3, 2), new SquaredErrorLoss());
        Assert.Throws<ArgumentException>(() => test.Forward(TensorShape.Of(0, 3)));
        Assert.Throws<ArgumentException>(() => test.Forward(TensorShape.Of(2, 0, 3)));
    }

    [Fact]
    public void Layers_have_unique_names_and_one_network()
    {
        using Device device = TestDevice.OpenDefault();
        var twins = new Sequential(new Linear("a", 3, 3), new Linear("a", 3, 3));
        Assert.Throws<ArgumentException>(() => new Network(device, twins, new SquaredErrorLoss(), default));
        var layer = new Linear("a", 3, 3);
        using var network = new Network(device, layer, new SquaredErrorLoss(), default);
        Assert.Throws<InvalidOperationException>(() => new Network(device, layer, new SquaredErrorLoss(), default));
    }

    [Fact]
    public void State_is_the_flat_parameter_vector()
    {
        using TestNetwork test = Evaluated("tanh");
        var visitor = new VectorNames();
        test.Network.VisitState(visitor);
        Assert.Equal([$"parameters {test.Parameters.Length}"], visitor.Names);
        Assert.Equal(["a.weight", "b.weight"], test.Network.Parameters.Blocks.Select(block => block.Name));
    }

    private static TestNetwork Evaluated(string name)
    {
        LayerCase layers = LayerCases.Make(name);
        var test = new TestNetwork(layers.Root, new SquaredErrorLoss());
        layers.Run(test);
        test.SetValueTargets();
        return test;
    }

    private sealed class Switch(Module first, Module second) : Module
    {
        public bool UseSecond { get; set; }

        public override Variable Forward(Tape tape, Variable input) => (UseSecond ? second : first).Forward(tape, input);

        public override void Register(ParameterRegistry registry) => new Sequential(first, second).Register(registry);
    }

    private sealed class VectorNames : IStateVisitor
    {
        public List<string> Names { get; } = [];

        public void Vector(string name, VectorView<float> view) => Names.Add($"{name} {view.Length}");

        public void Integer(string name, ref long value) => Names.Add(name);

        public void Real(string name, ref double value) => Names.Add(name);
    }
}

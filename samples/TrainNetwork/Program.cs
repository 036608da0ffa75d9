// A small network with a regression head, trained with K-FAC: learns y = sin(3x₀)·x₁ from samples.
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

const int batch = 256;

using Device device = Device.Open("auto");
using var arena = new Arena(device);
DeviceStream stream = device.DefaultStream;

Module layers = MultiLayerPerceptron.Build(new MultiLayerPerceptronOptions
{
    InputWidth = 2,
    HiddenWidths = [64, 64],
    OutputWidth = 1,
    Activation = ActivationKind.Tanh,
});
using var network = new Network(device, layers, new SquaredErrorLoss(), new PhiloxKey(Seed: 0, Sequence: 1));
using var optimizer = new KfacOptimizer(
    device, network, network.Parameters, new KfacOptions { Damping = 1e-3, MovingAverage = 0.95, InverseInterval = 5 });

var random = new PhiloxGenerator(new PhiloxKey(Seed: 0, Sequence: 2));
var points = new float[2 * batch];
var values = new float[batch];
MatrixView<float> inputs = arena.Matrix<float>(batch, 2);
MatrixView<float> targets = arena.Matrix<float>(batch, 1);

for (int step = 0; step <= 300; step++)
{
    for (int i = 0; i < batch; i++)
    {
        points[2 * i] = (2 * random.NextUniform()) - 1;
        points[(2 * i) + 1] = (2 * random.NextUniform()) - 1;
        values[i] = MathF.Sin(3 * points[2 * i]) * points[(2 * i) + 1];
    }

    stream.Upload(points, inputs);
    stream.Upload(values, targets);
    network.Forward(inputs, TensorShape.Of(batch, 2));
    network.SetTargets(Targets.Of(targets));
    if (step % 50 == 0)
    {
        Console.WriteLine($"step {step,3}: mean loss {network.MeanLoss():E3}");
    }

    network.Backward(optimizer.TrainingPassSink);
    optimizer.Step(network, network.Parameters, learningRate: 0.03);
}

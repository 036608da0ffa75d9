// A network of one's own, built from layers and trained with K-FAC: learns y = sin(3x₀)·x₁ from samples, keeps its weights in a file and
// reads them back into a network that only predicts.
using KFac.Engine;
using KFac.Kernels;
using KFac.Nn;

const int batch = 256;

using Device device = Device.Open("auto");
using var arena = new Arena(device);
DeviceStream stream = device.DefaultStream;

using var network = new Network(device, Layers(), new SquaredErrorLoss(), new PhiloxKey(Seed: 0, Sequence: 1));
using var optimizer = new KfacOptimizer(
    device, network, network.Parameters, new KfacOptions { Damping = 1e-3, MovingAverage = 0.95, InverseInterval = 5 });

var random = new PhiloxGenerator(new PhiloxKey(Seed: 0, Sequence: 2));
var points = new float[2 * batch];
var values = new float[batch];
MatrixView<float> inputs = arena.Matrix<float>(batch, 2);
MatrixView<float> targets = arena.Matrix<float>(batch, 1);

for (int step = 0; step <= 300; step++)
{
    DrawSamples();
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

string file = Path.Combine(Path.GetTempPath(), $"kfac-sample-{Environment.ProcessId}.safetensors");
network.SaveParameters(file);
using var trained = new Network(device, Layers(), new SquaredErrorLoss(), default) { Training = false };
trained.LoadParameters(file);
File.Delete(file);

DrawSamples();
stream.Upload(points, inputs);
var predictions = new float[batch];
stream.Download(trained.Forward(inputs, TensorShape.Of(batch, 2)).Value, predictions);
Console.WriteLine($"largest error of {batch} predictions: {predictions.Zip(values, (y, t) => Math.Abs(y - t)).Max():F3}");

// Two hidden layers, the second with a shortcut past it, and a linear output.
static Module Layers() => new Sequential(
    new Linear("hidden1", 2, 64, initialization: WeightInitialization.Glorot),
    new ActivationLayer(ActivationKind.Tanh),
    new Residual(new Sequential(
        new Linear("hidden2", 64, 64, initialization: WeightInitialization.Glorot),
        new ActivationLayer(ActivationKind.Tanh))),
    new Linear("output", 64, 1, initialization: WeightInitialization.Glorot));

void DrawSamples()
{
    for (int i = 0; i < batch; i++)
    {
        points[2 * i] = (2 * random.NextUniform()) - 1;
        points[(2 * i) + 1] = (2 * random.NextUniform()) - 1;
        values[i] = MathF.Sin(3 * points[2 * i]) * points[(2 * i) + 1];
    }
}
